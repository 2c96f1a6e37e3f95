# sum.c, as gcc 12 compiles it with -O1
# stdout: ""
# status: 31
	.file	"sum.c"
	.text
	.globl	sum
	.type	sum, @function
sum:
.LFB0:
	.cfi_startproc
	testl	%esi, %esi
	jle	.L4
	movq	%rdi, %rax
	movslq	%esi, %rsi
	leaq	(%rdi,%rsi,8), %rcx
	movl	$0, %edx
.L3:
	addq	(%rax), %rdx
	addq	$8, %rax
	cmpq	%rcx, %rax
	jne	.L3
.L1:
	movq	%rdx, %rax
	ret
.L4:
	movl	$0, %edx
	jmp	.L1
	.cfi_endproc
.LFE0:
	.size	sum, .-sum
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
	movl	$8, %esi
	leaq	numbers(%rip), %rdi
	call	sum
	ret
	.cfi_endproc
.LFE1:
	.size	main, .-main
	.globl	numbers
	.data
	.align 32
	.type	numbers, @object
	.size	numbers, 64
numbers:
	.quad	3
	.quad	1
	.quad	4
	.quad	1
	.quad	5
	.quad	9
	.quad	2
	.quad	6
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
