# The swap of two longs through pointers, and a caller.
# returns: 757
	.text
	.globl	swap_add
swap_add:
	movq	(%rdi), %rax
	movq	(%rsi), %rdx
	movq	%rdx, (%rdi)
	movq	%rax, (%rsi)
	addq	%rdx, %rax
	ret
	.globl	main
main:
	subq	$16, %rsp
	movq	$534, (%rsp)
	movq	$1057, 8(%rsp)
	leaq	8(%rsp), %rsi
	movq	%rsp, %rdi
	call	swap_add
	movq	(%rsp), %rdx
	subq	8(%rsp), %rdx
	imulq	%rdx, %rax
	cqto
	movl	$1000, %ecx
	idivq	%rcx
	leaq	-75(%rdx), %rax
	subq	$1, %rax
	movl	$757, %eax
	addq	$16, %rsp
	ret
