# In AT&T syntax everything is told in its own order.
.att_syntax
main:
    addq %rax, $5
    movl (%rax), (%rbx)
    leaq %rbx, %rax
    mov $5, (%rax)
    movl $5, %rax
    movq $5, [%rax]
    pushq %eax
    mov eax, %ebx
    shlq %rbx, %rax
    movq %%rax, %rbx
    irmovq $5, %rax
    ret
