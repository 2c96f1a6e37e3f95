# matrix.c, as gcc 12 compiles it with -O1
# stdout: ""
# status: 216
	.file	"matrix.c"
	.text
	.globl	main
	.type	main, @function
main:
.LFB0:
	.cfi_startproc
	pushq	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset 6, -16
	pushq	%rbx
	.cfi_def_cfa_offset 24
	.cfi_offset 3, -24
	leaq	a(%rip), %rdi
	leaq	b(%rip), %r10
	movq	%r10, %r9
	movq	%rdi, %r8
	movl	$0, %r11d
.L2:
	movl	%r11d, %ecx
	movl	$1, %edx
	movl	$0, %eax
.L3:
	leal	(%rcx,%rax), %esi
	movl	%esi, (%r8,%rax,4)
	movl	%edx, (%r9,%rax,4)
	addq	$1, %rax
	addl	%ecx, %edx
	cmpq	$4, %rax
	jne	.L3
	addl	$1, %r11d
	addq	$16, %r8
	addq	$16, %r9
	cmpl	$4, %r11d
	jne	.L2
	leaq	c(%rip), %rbx
	leaq	64+a(%rip), %rbp
	leaq	16(%r10), %r11
.L4:
	movq	%r10, %rsi
	movq	%rbx, %r8
.L8:
	movq	%r8, %r9
	movl	(%r8), %ecx
	movl	$0, %eax
.L5:
	movq	%rax, %rdx
	salq	$4, %rdx
	movl	(%rsi,%rdx), %edx
	imull	(%rdi,%rax,4), %edx
	addl	%edx, %ecx
	addq	$1, %rax
	cmpq	$4, %rax
	jne	.L5
	movl	%ecx, (%r9)
	addq	$4, %r8
	addq	$4, %rsi
	cmpq	%r11, %rsi
	jne	.L8
	addq	$16, %rdi
	addq	$16, %rbx
	cmpq	%rbp, %rdi
	jne	.L4
	movl	c(%rip), %eax
	addl	20+c(%rip), %eax
	addl	40+c(%rip), %eax
	addl	60+c(%rip), %eax
	popq	%rbx
	.cfi_def_cfa_offset 16
	popq	%rbp
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
.LFE0:
	.size	main, .-main
	.globl	c
	.bss
	.align 32
	.type	c, @object
	.size	c, 64
c:
	.zero	64
	.globl	b
	.align 32
	.type	b, @object
	.size	b, 64
b:
	.zero	64
	.globl	a
	.align 32
	.type	a, @object
	.size	a, 64
a:
	.zero	64
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
