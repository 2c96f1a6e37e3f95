# switchy.c, as gcc 12 compiles it with -O1
# stdout: ""
# status: 152
	.file	"switchy.c"
	.text
	.globl	pick
	.type	pick, @function
pick:
.LFB0:
	.cfi_startproc
	cmpl	$6, %edi
	ja	.L2
	movl	%edi, %edi
	leaq	.L4(%rip), %rdx
	movslq	(%rdx,%rdi,4), %rax
	addq	%rdx, %rax
	jmp	*%rax
	.section	.rodata
	.align 4
	.align 4
.L4:
	.long	.L10-.L4
	.long	.L11-.L4
	.long	.L8-.L4
	.long	.L7-.L4
	.long	.L6-.L4
	.long	.L5-.L4
	.long	.L3-.L4
	.text
.L10:
	movl	$11, %eax
	ret
.L8:
	movl	$3, %eax
	ret
.L7:
	movl	$77, %eax
	ret
.L6:
	movl	$64, %eax
	ret
.L5:
	movl	$104, %eax
	ret
.L3:
	movl	$-6, %eax
	ret
.L2:
	movl	$42, %eax
	ret
.L11:
	movl	$7, %eax
	ret
	.cfi_endproc
.LFE0:
	.size	pick, .-pick
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
	pushq	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset 6, -16
	pushq	%rbx
	.cfi_def_cfa_offset 24
	.cfi_offset 3, -24
	movl	$0, %ebx
	movl	$0, %ebp
.L13:
	movl	%ebx, %edi
	call	pick
	addl	%eax, %ebp
	addl	$1, %ebx
	cmpl	$9, %ebx
	jne	.L13
	movl	in(%rip), %edi
	call	pick
	addl	%ebp, %eax
	popq	%rbx
	.cfi_def_cfa_offset 16
	popq	%rbp
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
.LFE1:
	.size	main, .-main
	.globl	in
	.data
	.align 4
	.type	in, @object
	.size	in, 4
in:
	.long	4
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
