; The size may stand at the number instead of at the memory.
; returns: 300
section .bss
cell:   resq 1
section .text
global main
main:   mov     rdi, cell
        mov     [rdi], dword 200
        add     [rdi], word 100
        mov     [rdi+4], dword 0
        cmp     [rdi], dword 300
        jne     .no
        mov     rax, [rdi]
        ret
.no:    xor     eax, eax
        ret
