# output.c, as gcc 12 compiles it with -O1
# stdout: "1\n37\n1369\n50653\n1874161\n"
# status: 9
	.file	"output.c"
	.text
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
	pushq	%r13
	.cfi_def_cfa_offset 16
	.cfi_offset 13, -16
	pushq	%r12
	.cfi_def_cfa_offset 24
	.cfi_offset 12, -24
	pushq	%rbp
	.cfi_def_cfa_offset 32
	.cfi_offset 6, -32
	pushq	%rbx
	.cfi_def_cfa_offset 40
	.cfi_offset 3, -40
	movl	$5, %ebx
	movl	$1, %r10d
	leaq	-13(%rsp), %r9
	movl	$3435973837, %r8d
	leaq	-12(%rsp), %r12
	leaq	1+line(%rip), %rbp
	leaq	-1(%rbp), %rsi
	movl	$1, %edi
.L5:
	movl	%r10d, %r11d
	movl	$1, %ecx
.L2:
	movl	%r11d, %eax
	imulq	%r8, %rax
	shrq	$35, %rax
	leal	(%rax,%rax,4), %r13d
	addl	%r13d, %r13d
	movl	%r11d, %edx
	subl	%r13d, %edx
	addl	$48, %edx
	movb	%dl, (%r9,%rcx)
	movl	%r11d, %r13d
	movl	%eax, %r11d
	movq	%rcx, %rdx
	addq	$1, %rcx
	cmpl	$9, %r13d
	ja	.L2
	testl	%edx, %edx
	je	.L3
	movslq	%edx, %rax
	leaq	-1(%r12,%rax), %rcx
	leaq	line(%rip), %rax
	leal	-1(%rdx), %r13d
	addq	%rbp, %r13
.L4:
	movzbl	(%rcx), %r11d
	movb	%r11b, (%rax)
	subq	$1, %rcx
	addq	$1, %rax
	cmpq	%r13, %rax
	jne	.L4
.L3:
	movslq	%edx, %rax
	movb	$10, (%rsi,%rax)
	addl	$1, %edx
	movslq	%edx, %rdx
	movq	%rdi, %rax
#APP
# 1 "output.c" 1
	syscall
# 0 "" 2
#NO_APP
	leal	(%r10,%r10,8), %eax
	leal	(%r10,%rax,4), %r10d
	subl	$1, %ebx
	jne	.L5
	movl	$9, %eax
	popq	%rbx
	.cfi_def_cfa_offset 32
	popq	%rbp
	.cfi_def_cfa_offset 24
	popq	%r12
	.cfi_def_cfa_offset 16
	popq	%r13
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
.LFE1:
	.size	main, .-main
	.local	line
	.comm	line,32,32
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
