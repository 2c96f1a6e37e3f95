; Binary numbers of 64 digits; floating point in base 2 and 16.
; status: 13
        section .data
mask:   dq      1000000000000000000000000000000000000000000000000000000000000101b
eight:  dq      0x1p3
small:  dd      0b1.1
        section .text
        global  _start
_start: mov     rax, 0b1000000000000000000000000000000000000000000000000000000000000101
        cmp     rax, [rel mask]
        jne     .wrong
        popcnt  rdi, rax                ; 3
        cvttsd2si eax, [rel eight]      ; 8
        add     edi, eax
        movss   xmm0, [rel small]
        addss   xmm0, xmm0              ; 3
        cvttss2si eax, xmm0
        lea     edi, [rdi + rax - 1]
        mov     eax, 60
        syscall
.wrong: mov     edi, 1
        mov     eax, 60
        syscall
