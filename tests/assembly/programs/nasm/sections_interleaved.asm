; Data beside the code that uses it; the assembler sorts it out.
; stdout: "one two\n"
; status: 0
global _start
section .data
m1: db "one "
section .text
_start:
    mov eax, 1
    mov edi, 1
    lea rsi, [rel m1]
    mov edx, 4
    syscall
section .data
m2: db "two", 10
section .text
    mov eax, 1
    mov edi, 1
    lea rsi, [rel m2]
    mov edx, 4
    syscall
section .rodata
zero: dq 0
section .text
    mov eax, 60
    mov rdi, [rel zero]
    syscall
