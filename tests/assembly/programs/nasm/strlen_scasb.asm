; strlen by repne scasb; the length is what main returns.
; returns: 26
        global  main
        section .rodata
text:   db      'abcdefghijklmnopqrstuvwxyz',0
        section .text
main:
        lea     rdi, [rel text]
        xor     al, al
        mov     rcx, -1
        cld
        repne   scasb
        not     rcx
        lea     rax, [rcx-1]
        ret
