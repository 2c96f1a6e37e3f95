; enter and leave, xchg, bit tricks.
; returns: 12
global main
section .text
main:
        enter   32, 0
        mov     qword [rbp-8], 3
        mov     qword [rbp-16], 9
        mov     rax, [rbp-8]
        xchg    rax, [rbp-16]
        add     rax, [rbp-16]
        leave
        ret
