# The largest number of a list that a zero ends.
# status: 222
# stdout: ""
.section .data
data_items:
    .long 3,67,34,222,45,75,54,34,44,33,22,11,66,0
.section .text
.globl _start
_start:
    movl $0, %edi
    movl data_items(,%rdi,4), %eax
    movl %eax, %ebx
start_loop:
    cmpl $0, %eax
    je loop_exit
    incq %rdi
    movl data_items(,%rdi,4), %eax
    cmpl %ebx, %eax
    jle start_loop
    movl %eax, %ebx
    jmp start_loop
loop_exit:
    movl %ebx, %edi
    movl $60, %eax
    syscall
