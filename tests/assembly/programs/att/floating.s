# Scalar doubles in AT&T order: the destination is last.
# returns: 30
.section .rodata
.align 8
.LC0: .double 12.5
.LC1: .long 0, 1074266112       # 3.0, as a compiler writes it
.text
.globl main
main:
    movsd   .LC0(%rip), %xmm0
    subsd   .LC1(%rip), %xmm0       # 9.5
    mulsd   .LC1(%rip), %xmm0       # 28.5
    movl    $2, %eax
    cvtsi2sdl %eax, %xmm1
    addsd   %xmm1, %xmm0            # 30.5
    ucomisd .LC1(%rip), %xmm0
    jb      1f
    cvttsd2sil %xmm0, %eax
    ret
1:  xorl    %eax, %eax
    ret
