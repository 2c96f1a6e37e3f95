# do, while and for, in the shapes a compiler gives them.
# returns: 3628925
	.text
	.globl	main
fact_do:
	movl	$1, %eax
.L2:
	imulq	%rdi, %rax
	subq	$1, %rdi
	cmpq	$1, %rdi
	jg	.L2
	rep; ret
sum_while:
	movl	$0, %eax
	jmp	.L5
.L6:
	addq	%rdi, %rax
	subq	$1, %rdi
.L5:
	testq	%rdi, %rdi
	jne	.L6
	rep ret
main:
	movl	$10, %edi
	call	fact_do
	movq	%rax, %r12
	movl	$15, %edi
	call	sum_while
	addq	%r12, %rax
	addq	$5, %rax
	ret
