; Length counted by the assembler; 32-bit registers, as some courses prefer.
; stdout: "It's assembly time.\n"
; status: 7

SECTION .data
    msg     db  "It's assembly time.", 0xA
    len     equ $ - msg
SECTION .text
    global _start
_start:
    mov     edx, len
    mov     ecx, msg
    mov     rsi, rcx
    mov     eax, 1
    mov     edi, eax
    syscall
    mov     eax, 60
    mov     edi, 7
    syscall
