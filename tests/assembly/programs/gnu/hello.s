# Hello in GNU's Intel syntax.
# stdout: "Hello, world!\n"
# status: 0
    .intel_syntax noprefix
    .section .rodata
message:
    .ascii "Hello, world!\n"
    .set length, . - message

    .text
    .globl _start
_start:
    mov eax, 1
    mov edi, 1
    lea rsi, message[rip]
    mov edx, OFFSET length
    syscall
    mov eax, 60
    xor edi, edi
    syscall
