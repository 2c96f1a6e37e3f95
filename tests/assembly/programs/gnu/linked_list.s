# A linked list built by the assembler: each node points at the next.
# returns: 60
.intel_syntax noprefix
.data
.align 8
head:   .quad node1
node3:  .quad 30, 0
node1:  .quad 10, node2
node2:  .quad 20, node3
.text
.globl main
main:
    mov     rdi, head[rip]
    xor     eax, eax
walk:
    test    rdi, rdi
    je      done
    add     rax, [rdi]
    mov     rdi, [rdi+8]
    jmp     walk
done:
    ret
