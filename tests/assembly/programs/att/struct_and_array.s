# A 2-D array and a struct, with displacement, base, index and scale.
# returns: 77
.data
.align 16
matrix: .long 1, 2, 3
        .long 4, 5, 6
        .long 7, 8, 9
point:  .quad 40            # x
        .long 32, 0         # y
.text
.globl main
main:
    movl    $1, %edi                    # row
    movl    $1, %esi                    # column
    leaq    (%rdi,%rdi,2), %rax
    leaq    matrix(,%rax,4), %rax
    movl    (%rax,%rsi,4), %eax         # 5
    leaq    point(%rip), %rcx
    addq    (%rcx), %rax                # 45
    addl    8(%rcx), %eax               # 77
    addl    matrix+36+12(%rip), %eax    # the zero that pads
    ret
