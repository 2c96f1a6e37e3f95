# recursion.c, as gcc 12 compiles it with -O1
# stdout: ""
# status: 145
	.file	"recursion.c"
	.text
	.globl	ack
	.type	ack, @function
ack:
.LFB0:
	.cfi_startproc
	testl	%edi, %edi
	jne	.L2
	leal	1(%rsi), %eax
	ret
.L2:
	pushq	%rbx
	.cfi_def_cfa_offset 16
	.cfi_offset 3, -16
	movl	%edi, %ebx
	testl	%esi, %esi
	jne	.L4
	leal	-1(%rdi), %edi
	movl	$1, %esi
	call	ack
.L1:
	popq	%rbx
	.cfi_remember_state
	.cfi_def_cfa_offset 8
	ret
.L4:
	.cfi_restore_state
	subl	$1, %esi
	call	ack
	movl	%eax, %esi
	leal	-1(%rbx), %edi
	call	ack
	jmp	.L1
	.cfi_endproc
.LFE0:
	.size	ack, .-ack
	.globl	fib
	.type	fib, @function
fib:
.LFB1:
	.cfi_startproc
	pushq	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset 6, -16
	pushq	%rbx
	.cfi_def_cfa_offset 24
	.cfi_offset 3, -24
	subq	$8, %rsp
	.cfi_def_cfa_offset 32
	movl	%edi, %ebx
	cmpl	$1, %edi
	jg	.L11
.L9:
	movl	%ebx, %eax
	addq	$8, %rsp
	.cfi_remember_state
	.cfi_def_cfa_offset 24
	popq	%rbx
	.cfi_def_cfa_offset 16
	popq	%rbp
	.cfi_def_cfa_offset 8
	ret
.L11:
	.cfi_restore_state
	leal	-1(%rdi), %edi
	call	fib
	movl	%eax, %ebp
	leal	-2(%rbx), %edi
	call	fib
	leal	0(%rbp,%rax), %ebx
	jmp	.L9
	.cfi_endproc
.LFE1:
	.size	fib, .-fib
	.globl	main
	.type	main, @function
main:
.LFB2:
	.cfi_startproc
	pushq	%rbx
	.cfi_def_cfa_offset 16
	.cfi_offset 3, -16
	movl	$3, %esi
	movl	$2, %edi
	call	ack
	movl	%eax, %ebx
	movl	$10, %edi
	call	fib
	leal	(%rbx,%rbx,4), %edx
	leal	(%rax,%rdx,2), %eax
	popq	%rbx
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
.LFE2:
	.size	main, .-main
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
