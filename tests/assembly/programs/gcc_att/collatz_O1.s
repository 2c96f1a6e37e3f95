# collatz.c, as gcc 12 compiles it with -O1
# stdout: ""
# status: 138
	.file	"collatz.c"
	.text
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
	movl	$1, %ecx
	movl	$0, %edi
	movl	$0, %esi
	jmp	.L8
.L3:
	shrq	%rax
.L4:
	addl	$1, %edx
	cmpq	$1, %rax
	je	.L13
.L5:
	testb	$1, %al
	je	.L3
	leaq	1(%rax,%rax,2), %rax
	jmp	.L4
.L13:
	cmpl	%edx, %esi
	cmovb	%ecx, %edi
	cmovb	%edx, %esi
	addq	$1, %rcx
	cmpq	$30, %rcx
	je	.L14
.L8:
	cmpq	$1, %rcx
	je	.L2
	movq	%rcx, %rax
	movl	$0, %edx
	jmp	.L5
.L2:
	addq	$1, %rcx
	jmp	.L8
.L14:
	leal	(%rsi,%rdi), %eax
	ret
	.cfi_endproc
.LFE1:
	.size	main, .-main
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
