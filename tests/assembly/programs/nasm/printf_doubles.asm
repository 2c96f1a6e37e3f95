; Table of square roots through printf; a frame, a callee-saved register, al = 1.
; libc: yes
; stdout: "sqrt(1) = 1.000\nsqrt(2) = 1.414\nsqrt(3) = 1.732\n"
; returns: 0
        global  main
        extern  printf
        default rel
section .data
fmt:    db      "sqrt(%d) = %.3f", 10, 0
section .text
main:
        push    rbp
        mov     rbp, rsp
        push    rbx
        sub     rsp, 8
        mov     ebx, 1
.loop:
        cvtsi2sd xmm0, ebx
        sqrtsd  xmm0, xmm0
        lea     rdi, [fmt]
        mov     esi, ebx
        mov     al, 1
        call    printf
        inc     ebx
        cmp     ebx, 3
        jle     .loop
        xor     eax, eax
        add     rsp, 8
        pop     rbx
        pop     rbp
        ret
