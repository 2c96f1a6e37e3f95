; Typed from a text in AT&T syntax.
    movq $5, %rax
    addq $8, 16(%rbx,%rcx,4)
    movl (%rdi), %eax
    ret
