# sort.c, as gcc 12 compiles it with -O1
# stdout: ""
# status: 152
	.file	"sort.c"
	.text
	.globl	sort
	.type	sort, @function
sort:
.LFB0:
	.cfi_startproc
	cmpl	$1, %esi
	jle	.L1
	movq	%rdi, %r9
	leal	-1(%rsi), %r10d
	movl	$0, %r8d
	jmp	.L6
.L4:
	movslq	%edx, %rdx
	movl	%esi, 4(%rdi,%rdx,4)
	addq	$1, %r8
	addq	$4, %r9
	cmpq	%r10, %r8
	je	.L1
.L6:
	movl	4(%r9), %esi
	movl	%r8d, %edx
	movq	%r9, %rax
	testl	%r8d, %r8d
	js	.L4
.L3:
	movl	(%rax), %ecx
	cmpl	%esi, %ecx
	jle	.L4
	movl	%ecx, 4(%rax)
	subl	$1, %edx
	subq	$4, %rax
	cmpl	$-1, %edx
	jne	.L3
	jmp	.L4
.L1:
	ret
	.cfi_endproc
.LFE0:
	.size	sort, .-sort
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
	movl	$10, %esi
	leaq	data(%rip), %rdi
	call	sort
	movl	$0, %eax
	movl	$0, %edx
	leaq	data(%rip), %rsi
.L11:
	movl	%eax, %ecx
	imull	(%rsi,%rax,4), %ecx
	addl	%ecx, %edx
	addq	$1, %rax
	cmpq	$10, %rax
	jne	.L11
	movl	%edx, %eax
	ret
	.cfi_endproc
.LFE1:
	.size	main, .-main
	.globl	data
	.data
	.align 32
	.type	data, @object
	.size	data, 40
data:
	.long	9
	.long	-4
	.long	7
	.long	0
	.long	3
	.long	3
	.long	-11
	.long	25
	.long	6
	.long	1
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
