; From C, from other processors, from a disassembler, from a phone.
main:
    int x = 5;
    if (rax == 5)
    mov rax = 5
    mov(rax, rbx)
    moveax, 5
    mov rax, 8(rbp)
    mov rax, *rbx
    mov rax, 1,000
    ldr x0, [x1]
    bne main
    div rax, rbx
    push al
    return 0
401136: 55  push rbp
my-label:
    ret
