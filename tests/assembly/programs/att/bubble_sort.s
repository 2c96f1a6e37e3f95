# Bubble sort with pointers, as in the textbook's homework.
# stdout: ""
# status: 123
	.data
	.align 8
array:	.quad 3, 1, 2
	.text
	.globl _start
bubble:                         # %rdi data, %rsi count
	leaq	-8(%rdi,%rsi,8), %rcx
outer:
	cmpq	%rdi, %rcx
	jbe	done
	movq	%rdi, %rdx
inner:
	cmpq	%rcx, %rdx
	jae	shrink
	movq	(%rdx), %rax
	movq	8(%rdx), %r8
	cmpq	%r8, %rax
	jle	next
	movq	%r8, (%rdx)
	movq	%rax, 8(%rdx)
next:
	addq	$8, %rdx
	jmp	inner
shrink:
	subq	$8, %rcx
	jmp	outer
done:
	ret
_start:
	leaq	array(%rip), %rdi
	movl	$3, %esi
	call	bubble
	leaq	array(%rip), %rdi
	imulq	$100, (%rdi), %rax
	imulq	$10, 8(%rdi), %rcx
	addq	%rcx, %rax
	addq	16(%rdi), %rax
	movq	%rax, %rdi
	movl	$60, %eax
	syscall
