; Counts the moves of the towers of Hanoi by recursion.
; returns: 127
section .text
global main
; hanoi(edi = discs) -> eax moves
hanoi:  test    edi, edi
        jnz     .some
        xor     eax, eax
        ret
.some:  push    rbx
        push    rdi
        dec     edi
        call    hanoi
        mov     ebx, eax
        pop     rdi
        dec     edi
        call    hanoi
        lea     eax, [rax + rbx + 1]
        pop     rbx
        ret
main:   mov     edi, 7
        call    hanoi
        ret
