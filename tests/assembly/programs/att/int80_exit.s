# The first program of an old book: leave with a status, by int $0x80.
# signal: SIGSYS
.section .data
.section .text
.globl _start
_start:
    movl $1, %eax      # exit
    movl $42, %ebx     # status
    int $0x80
