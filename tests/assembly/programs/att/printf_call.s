# printf from AT&T assembly, without a declaration.
# libc: yes
# stdout: "3.50 and seven\n"
# returns: 0
	.section .rodata
.LC0:	.string "%.2f and %s\n"
.LC1:	.string "seven"
	.align 8
.LC2:	.double 3.5
	.text
	.globl main
main:
	pushq	%rbp
	movq	%rsp, %rbp
	movsd	.LC2(%rip), %xmm0
	leaq	.LC1(%rip), %rsi
	leaq	.LC0(%rip), %rdi
	movl	$1, %eax
	call	printf
	movl	$0, %eax
	popq	%rbp
	ret
