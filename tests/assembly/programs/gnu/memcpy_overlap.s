# memmove: forwards or backwards, by direction flag.
# stdout: "ababcdef\n"
# status: 0
.intel_syntax noprefix
.data
text:   .ascii "abcdefgh\n"
.text
.globl _start
memmove:
    mov     rcx, rdx
    cmp     rdi, rsi
    jbe     1f
    lea     rdi, [rdi+rcx-1]
    lea     rsi, [rsi+rcx-1]
    std
1:  rep movsb
    cld
    ret
_start:
    lea     rsi, text[rip]
    lea     rdi, text[rip+2]
    mov     edx, 6
    call    memmove
    mov     eax, 1; mov edi, 1; lea rsi, text[rip]; mov edx, 9; syscall
    mov     eax, 60; xor edi, edi; syscall
