# bits.c, as gcc 12 compiles it with -O3
# stdout: ""
# status: 119
	.file	"bits.c"
	.text
	.p2align 4
	.globl	parity
	.type	parity, @function
parity:
.LFB0:
	.cfi_startproc
	xorl	%edx, %edx
	testq	%rdi, %rdi
	je	.L1
	.p2align 4,,10
	.p2align 3
.L3:
	leaq	-1(%rdi), %rax
	xorl	$1, %edx
	andq	%rax, %rdi
	jne	.L3
.L1:
	movl	%edx, %eax
	ret
	.cfi_endproc
.LFE0:
	.size	parity, .-parity
	.section	.text.startup,"ax",@progbits
	.p2align 4
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
	movq	x(%rip), %r8
	xorl	%eax, %eax
	leaq	big(%rip), %rsi
	leaq	bytes(%rip), %rcx
	movq	%r8, bytes(%rip)
	.p2align 4,,10
	.p2align 3
.L8:
	movq	%rax, %rdx
	andl	$7, %edx
	movzbl	(%rcx,%rdx), %edx
	imulq	%rax, %rdx
	movq	%rdx, (%rsi,%rax,8)
	addq	$1, %rax
	cmpq	$40, %rax
	jne	.L8
	leaq	big(%rip), %rsi
	movl	counter(%rip), %edi
	movabsq	$5270498306774157605, %r9
	leaq	320(%rsi), %r10
	.p2align 4,,10
	.p2align 3
.L9:
	movq	(%rsi), %rcx
	addq	$8, %rsi
	movq	%rcx, %rax
	imulq	%r9
	movq	%rcx, %rax
	sarq	$63, %rax
	sarq	%rdx
	subq	%rax, %rdx
	leaq	0(,%rdx,8), %rax
	subq	%rdx, %rax
	subq	%rax, %rcx
	addl	%ecx, %edi
	cmpq	%rsi, %r10
	jne	.L9
	movl	%edi, counter(%rip)
	xorl	%edx, %edx
	testq	%r8, %r8
	je	.L10
	.p2align 4,,10
	.p2align 3
.L11:
	leaq	-1(%r8), %rax
	xorl	$1, %edx
	andq	%rax, %r8
	jne	.L11
.L10:
	leal	(%rdi,%rdx), %eax
	ret
	.cfi_endproc
.LFE1:
	.size	main, .-main
	.globl	big
	.bss
	.align 32
	.type	big, @object
	.size	big, 320
big:
	.zero	320
	.local	counter
	.comm	counter,4,4
	.globl	bytes
	.align 8
	.type	bytes, @object
	.size	bytes, 8
bytes:
	.zero	8
	.globl	x
	.data
	.align 8
	.type	x, @object
	.size	x, 8
x:
	.quad	-2401053089206439923
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
