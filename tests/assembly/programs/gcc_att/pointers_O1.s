# pointers.c, as gcc 12 compiles it with -O1
# stdout: ""
# status: 40
	.file	"pointers.c"
	.text
	.type	add, @function
add:
.LFB0:
	.cfi_startproc
	leaq	(%rdi,%rsi), %rax
	ret
	.cfi_endproc
.LFE0:
	.size	add, .-add
	.type	sub, @function
sub:
.LFB1:
	.cfi_startproc
	movq	%rdi, %rax
	subq	%rsi, %rax
	ret
	.cfi_endproc
.LFE1:
	.size	sub, .-sub
	.type	mul, @function
mul:
.LFB2:
	.cfi_startproc
	movq	%rdi, %rax
	imulq	%rsi, %rax
	ret
	.cfi_endproc
.LFE2:
	.size	mul, .-mul
	.globl	main
	.type	main, @function
main:
.LFB3:
	.cfi_startproc
	pushq	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset 6, -16
	pushq	%rbx
	.cfi_def_cfa_offset 24
	.cfi_offset 3, -24
	subq	$8, %rsp
	.cfi_def_cfa_offset 32
	leaq	table(%rip), %rbx
	leaq	24(%rbx), %rbp
	movl	$10, %edi
.L5:
	movl	$4, %esi
	call	*(%rbx)
	movq	%rax, %rdi
	addq	$8, %rbx
	cmpq	%rbp, %rbx
	jne	.L5
	addq	$8, %rsp
	.cfi_def_cfa_offset 24
	popq	%rbx
	.cfi_def_cfa_offset 16
	popq	%rbp
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
.LFE3:
	.size	main, .-main
	.globl	table
	.section	.data.rel.local,"aw"
	.align 16
	.type	table, @object
	.size	table, 24
table:
	.quad	add
	.quad	sub
	.quad	mul
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
