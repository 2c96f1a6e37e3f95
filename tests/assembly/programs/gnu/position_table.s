# A position-independent switch: a table of differences, as compilers emit it.
# returns: 31
.intel_syntax noprefix
.section .rodata
.align 4
.Ltable:
    .long .Lzero-.Ltable
    .long .Lone-.Ltable
    .long .Ltwo-.Ltable
.text
.globl main
main:
    xor eax, eax
    mov ecx, 2
.Lnext:
    lea rdx, .Ltable[rip]
    movsx rsi, DWORD PTR [rdx+rcx*4]
    add rsi, rdx
    notrack jmp rsi
.Ltwo:
    add eax, 1
    dec ecx
    jmp .Lnext
.Lone:
    add eax, 10
    dec ecx
    jmp .Lnext
.Lzero:
    add eax, 20
    ret
