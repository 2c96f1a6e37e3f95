; Calls the C library the way a position-independent program does.
; libc: yes
; stdout: "2 + 3 = 5\nbye\n"
; returns: 0
        global  main
        extern  printf, puts
        default rel
        section .rodata
format: db      "%d + %d = %d", 10, 0
bye:    db      "bye", 0
        section .text
main:
        push    rbx
        lea     rdi, [format]
        mov     esi, 2
        mov     edx, 3
        lea     ecx, [rsi+rdx]
        xor     eax, eax
        call    printf wrt ..plt
        lea     rdi, [bye]
        call    puts wrt ..plt
        xor     eax, eax
        pop     rbx
        ret
