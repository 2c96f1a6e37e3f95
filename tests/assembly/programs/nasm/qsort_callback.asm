; The C library sorts with our own comparison function.
; libc: yes
; stdout: "-3 1 4 15 92 \n"
; returns: 0
extern qsort
extern printf
extern putchar
global main
section .data
values: dd 15, 4, 92, 1, -3
n       equ ($ - values) / 4
fmt:    db "%d ", 0
section .text
compare:
        mov     eax, [rdi]
        sub     eax, [rsi]
        ret
main:
        push    rbx
        mov     rdi, values
        mov     esi, n
        mov     edx, 4
        mov     rcx, compare
        call    qsort
        xor     ebx, ebx
.each:  mov     rdi, fmt
        mov     esi, [values + rbx*4]
        xor     eax, eax
        call    printf
        inc     rbx
        cmp     rbx, n
        jb      .each
        mov     edi, 10
        call    putchar
        xor     eax, eax
        pop     rbx
        ret
