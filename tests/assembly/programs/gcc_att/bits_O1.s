# bits.c, as gcc 12 compiles it with -O1
# stdout: ""
# status: 119
	.file	"bits.c"
	.text
	.globl	parity
	.type	parity, @function
parity:
.LFB0:
	.cfi_startproc
	testq	%rdi, %rdi
	je	.L4
	movl	$0, %edx
.L3:
	xorl	$1, %edx
	leaq	-1(%rdi), %rax
	andq	%rax, %rdi
	jne	.L3
.L1:
	movl	%edx, %eax
	ret
.L4:
	movl	$0, %edx
	jmp	.L1
	.cfi_endproc
.LFE0:
	.size	parity, .-parity
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
	pushq	%rbx
	.cfi_def_cfa_offset 16
	.cfi_offset 3, -16
	movq	x(%rip), %rdi
	leaq	bytes(%rip), %rax
	leaq	8(%rax), %rsi
	movl	$0, %ecx
.L7:
	movq	%rdi, %rdx
	shrq	%cl, %rdx
	movb	%dl, (%rax)
	addl	$8, %ecx
	addq	$1, %rax
	cmpq	%rsi, %rax
	jne	.L7
	movl	$0, %eax
	leaq	big(%rip), %rsi
	leaq	bytes(%rip), %rcx
.L8:
	movq	%rax, %rdx
	andl	$7, %edx
	movzbl	(%rcx,%rdx), %edx
	imulq	%rax, %rdx
	movq	%rdx, (%rsi,%rax,8)
	addq	$1, %rax
	cmpq	$40, %rax
	jne	.L8
	movl	counter(%rip), %ebx
	leaq	big(%rip), %rsi
	leaq	320(%rsi), %r9
	movabsq	$5270498306774157605, %r8
.L9:
	movq	(%rsi), %rcx
	movq	%rcx, %rax
	imulq	%r8
	sarq	%rdx
	movq	%rcx, %rax
	sarq	$63, %rax
	subq	%rax, %rdx
	leaq	0(,%rdx,8), %rax
	subq	%rdx, %rax
	subq	%rax, %rcx
	addl	%ecx, %ebx
	addq	$8, %rsi
	cmpq	%rsi, %r9
	jne	.L9
	movl	%ebx, counter(%rip)
	call	parity
	addl	%ebx, %eax
	popq	%rbx
	.cfi_def_cfa_offset 8
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
