# A switch through a table of quads, in .rodata.
# returns: 222
    .intel_syntax noprefix
    .section .rodata
    .align 8
.L4:
    .quad .L3
    .quad .L5
    .quad .L6
    .text
    .globl  main
    .type   main, @function
pick:
    cmp     edi, 2
    ja      .L2
    mov     edi, edi
    jmp     [QWORD PTR .L4[0+rdi*8]]
.L3:
    mov     eax, 1
    ret
.L5:
    mov     eax, 20
    ret
.L6:
    mov     eax, 200
    ret
.L2:
    mov     eax, 1
    ret
main:
    push    rbx
    push    r12
    xor     ebx, ebx
    xor     r12d, r12d
.Lnext:
    mov     edi, ebx
    call    pick
    add     r12d, eax
    inc     ebx
    cmp     ebx, 4
    jne     .Lnext
    mov     eax, r12d
    pop     r12
    pop     rbx
    ret
    .size   main, .-main
