; Euclid, as a function that returns to its caller.
; returns: 21
bits 64
default rel
global main
section .data
a:  dq 1071
b:  dq 462
section .text
main:
        mov     rax, [a]
        mov     rcx, [b]
.loop:  test    rcx, rcx
        jz      .done
        xor     edx, edx
        div     rcx
        mov     rax, rcx
        mov     rcx, rdx
        jmp     .loop
.done:  ret
