; Two 3x3 matrices of doubles; the trace of the product is the status.
; stdout: ""
; status: 189
default rel
N equ 3
section .rodata
align 16
A:  dq 1.0, 2.0, 3.0
    dq 4.0, 5.0, 6.0
    dq 7.0, 8.0, 9.0
B:  dq 9.0, 8.0, 7.0
    dq 6.0, 5.0, 4.0
    dq 3.0, 2.0, 1.0
section .bss
alignb 16
C:  resq N*N
section .text
global _start
_start:
    lea     r8, [A]
    lea     r9, [B]
    lea     r10, [C]
    xor     ecx, ecx            ; i
.row:
    xor     edx, edx            ; j
.column:
    xorpd   xmm0, xmm0
    xor     esi, esi            ; k
.dot:
    lea     rax, [rcx + rcx*2]  ; i * N
    add     rax, rsi
    movsd   xmm1, [r8 + rax*8]
    lea     rax, [rsi + rsi*2]  ; k * N
    add     rax, rdx
    mulsd   xmm1, [r9 + rax*8]
    addsd   xmm0, xmm1
    inc     esi
    cmp     esi, N
    jne     .dot
    lea     rax, [rcx + rcx*2]
    add     rax, rdx
    movsd   [r10 + rax*8], xmm0
    inc     edx
    cmp     edx, N
    jne     .column
    inc     ecx
    cmp     ecx, N
    jne     .row
    ; trace
    movsd   xmm0, [C]
    addsd   xmm0, [C + 4*8]
    addsd   xmm0, qword [C + 8*8]
    cvttsd2si edi, xmm0
    mov     eax, 60
    syscall
