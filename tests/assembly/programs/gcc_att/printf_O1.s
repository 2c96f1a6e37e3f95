# printf.c, as gcc 12 compiles it with -O1
# libc: yes
# stdout: "0: text 0.00\n1: text 1.50\n2: text 3.00\ndone\n"
# status: 0
	.file	"printf.c"
	.text
	.section	.rodata.str1.1,"aMS",@progbits,1
.LC0:
	.string	"text"
.LC1:
	.string	"%d: %s %.2f\n"
.LC5:
	.string	"done"
	.text
	.globl	main
	.type	main, @function
main:
.LFB11:
	.cfi_startproc
	pushq	%r12
	.cfi_def_cfa_offset 16
	.cfi_offset 12, -16
	pushq	%rbp
	.cfi_def_cfa_offset 24
	.cfi_offset 6, -24
	pushq	%rbx
	.cfi_def_cfa_offset 32
	.cfi_offset 3, -32
	movl	%edi, %ebx
	pxor	%xmm0, %xmm0
	leaq	.LC0(%rip), %r12
	movq	%r12, %rdx
	movl	$0, %esi
	leaq	.LC1(%rip), %rbp
	movq	%rbp, %rdi
	movl	$1, %eax
	call	printf@PLT
	movsd	.LC3(%rip), %xmm0
	movq	%r12, %rdx
	movl	$1, %esi
	movq	%rbp, %rdi
	movl	$1, %eax
	call	printf@PLT
	movsd	.LC4(%rip), %xmm0
	movq	%r12, %rdx
	movl	$2, %esi
	movq	%rbp, %rdi
	movl	$1, %eax
	call	printf@PLT
	leaq	.LC5(%rip), %rdi
	call	puts@PLT
	cmpl	$5, %ebx
	setg	%al
	movzbl	%al, %eax
	popq	%rbx
	.cfi_def_cfa_offset 24
	popq	%rbp
	.cfi_def_cfa_offset 16
	popq	%r12
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
.LFE11:
	.size	main, .-main
	.section	.rodata.cst8,"aM",@progbits,8
	.align 8
.LC3:
	.long	0
	.long	1073217536
	.align 8
.LC4:
	.long	0
	.long	1074266112
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
