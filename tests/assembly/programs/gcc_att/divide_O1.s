# divide.c, as gcc 12 compiles it with -O1
# stdout: ""
# status: 90
	.file	"divide.c"
	.text
	.globl	main
	.type	main, @function
main:
.LFB0:
	.cfi_startproc
	movl	n(%rip), %esi
	movl	u(%rip), %edi
	movq	l(%rip), %rcx
	movslq	%esi, %rdx
	imulq	$-1840700269, %rdx, %rdx
	shrq	$32, %rdx
	addl	%esi, %edx
	sarl	$2, %edx
	movl	%esi, %eax
	sarl	$31, %eax
	subl	%eax, %edx
	leal	0(,%rdx,8), %eax
	leal	(%rsi,%rdx,2), %r8d
	subl	%eax, %r8d
	leal	7(%rsi), %eax
	testl	%esi, %esi
	cmovns	%esi, %eax
	sarl	$3, %eax
	addl	%eax, %r8d
	movl	%edi, %eax
	movl	$3435973837, %edx
	imulq	%rdx, %rax
	shrq	$35, %rax
	movl	%eax, %edx
	imulq	$1374389535, %rdx, %rdx
	shrq	$37, %rdx
	imull	$100, %edx, %edx
	subl	%edx, %eax
	leal	(%r8,%rax), %r8d
	movabsq	$2361183241434822607, %rdx
	movq	%rcx, %rax
	imulq	%rdx
	sarq	$7, %rdx
	movq	%rcx, %r9
	sarq	$63, %r9
	subq	%r9, %rdx
	imulq	$1000, %rdx, %rdx
	movq	%rcx, %rax
	subq	%rdx, %rax
	addq	%rax, %r8
	sarq	$3, %rcx
	movabsq	$-6640827866535438581, %rdx
	movq	%rcx, %rax
	imulq	%rdx
	addq	%rcx, %rdx
	sarq	$5, %rdx
	subq	%r9, %rdx
	leaq	(%rdx,%rdx,4), %rax
	leaq	(%rax,%rax,4), %rax
	addq	%rax, %rax
	subq	%rax, %rcx
	addq	%rcx, %r8
	movzwl	h(%rip), %eax
	movswl	%ax, %edx
	imull	$21846, %edx, %edx
	shrl	$16, %edx
	sarw	$15, %ax
	subl	%eax, %edx
	movswq	%dx, %rdx
	addq	%rdx, %r8
	movl	$5, %eax
	testl	%esi, %esi
	jle	.L5
.L2:
	addq	%r8, %rax
	andl	$32767, %eax
	ret
.L5:
	cmpl	$7, %edi
	sbbq	%rax, %rax
	addq	$7, %rax
	jmp	.L2
	.cfi_endproc
.LFE0:
	.size	main, .-main
	.globl	h
	.data
	.align 2
	.type	h, @object
	.size	h, 2
h:
	.value	1234
	.globl	l
	.align 8
	.type	l, @object
	.size	l, 8
l:
	.quad	-987654321012345
	.globl	u
	.align 4
	.type	u, @object
	.size	u, 4
u:
	.long	123456789
	.globl	n
	.align 4
	.type	n, @object
	.size	n, 4
n:
	.long	-1000
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
