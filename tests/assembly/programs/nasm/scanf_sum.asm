; Reads two numbers with scanf and prints their sum.
; libc: yes
; stdin: "20 22\n"
; stdout: "20 + 22 = 42\n"
; returns: 0
        extern  scanf
        extern  printf
        global  main
        section .data
in_fmt  db      "%d %d", 0
out_fmt db      "%d + %d = %d", 0x0a, 0
        section .bss
a       resd    1
b       resd    1
        section .text
main:   push    rbp
        mov     rdi, in_fmt
        mov     rsi, a
        mov     rdx, b
        xor     eax, eax
        call    scanf
        mov     rdi, out_fmt
        mov     esi, [a]
        mov     edx, [b]
        mov     ecx, esi
        add     ecx, edx
        xor     eax, eax
        call    printf
        pop     rbp
        xor     eax, eax
        ret
