// C++-style comments, and a division-free conversion to hexadecimal.
// stdout: "0x00000000cafebabe\n"
// status: 0
.intel_syntax noprefix
.section .data
buffer: .ascii "0x"
digits: .fill 16, 1, '0'
        .byte '\n'
.section .text
.global _start
_start:
    mov     rax, 0xcafebabe
    lea     rdi, [rip+digits+15]    /* the last digit */
    mov     ecx, 16
next:
    mov     edx, eax
    and     edx, 0xf
    cmp     edx, 10
    jb      decimal
    add     edx, 'a' - 10 - '0'
decimal:
    add     edx, '0'
    mov     [rdi], dl
    dec     rdi
    shr     rax, 4
    loop    next
    mov     eax, 1
    mov     edi, 1
    lea     rsi, [rip+buffer]
    mov     edx, 19
    syscall
    mov     eax, 60
    xor     edi, edi
    syscall
