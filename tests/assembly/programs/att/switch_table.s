# A jump table with an indirect jump, marked with a star.
# returns: 113
	.section	.rodata
	.align 8
.L4:
	.quad	.L3
	.quad	.L8
	.quad	.L5
	.quad	.L6
	.text
	.globl main
switch_eg:
	subq	$100, %rsi
	cmpq	$3, %rsi
	ja	.L8
	jmp	*.L4(,%rsi,8)
.L3:
	leaq	(%rdi,%rdi,2), %rax
	leaq	(%rdi,%rax,4), %rdi
	jmp	.L2
.L5:
	addq	$10, %rdi
.L6:
	addq	$11, %rdi
	jmp	.L2
.L8:
	movl	$0, %edi
.L2:
	movq	%rdi, %rax
	ret
main:
	pushq	%rbx
	movl	$3, %edi
	movl	$100, %esi
	call	switch_eg               # 39
	movq	%rax, %rbx
	movl	$3, %edi
	movl	$102, %esi
	call	switch_eg               # 24
	addq	%rax, %rbx
	movl	$39, %edi
	movl	$103, %esi
	call	switch_eg               # 50
	addq	%rbx, %rax
	popq	%rbx
	ret
