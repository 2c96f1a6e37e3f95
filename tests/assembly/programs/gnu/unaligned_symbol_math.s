# Symbol arithmetic, `.`-relative constants, .p2align with a limit, .org inside.
# returns: 170
    .intel_syntax noprefix
    .text
    .globl main
main:
    mov eax, OFFSET FLAT:after - main
    jmp after
    .p2align 4,,10
    .p2align 3
table:
    .byte 3, 0xc3, 0x90
    .set here, . - table
after:
    movzx ecx, BYTE PTR table[rip+2]
    add ecx, here
    cmp eax, OFFSET FLAT:(after - main)
    jne 1f
    lea eax, [rcx + 23]
1:  ret
