; rep movsb, movsq and stosb; the copy is printed.
; stdout: "copy this text......\n"
; status: 0
section .data
source:     db "copy this text"
sourceLen:  equ $-source
section .bss
dest:       resb 32
section .text
            global _start
_start:     cld
            mov rsi, source
            mov rdi, dest
            mov rcx, sourceLen
            rep movsb
            mov al, '.'
            mov rcx, 20 - sourceLen
            rep stosb
            mov byte [rdi], 10
            mov rax, 1
            mov rdi, 1
            mov rsi, dest
            mov rdx, 21
            syscall
            mov rax, 60
            xor rdi, rdi
            syscall
