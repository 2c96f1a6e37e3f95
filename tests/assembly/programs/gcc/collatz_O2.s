# collatz.c, as gcc 12 compiles it with -O2 -masm=intel
# stdout: ""
# status: 138
	.file	"collatz.c"
	.intel_syntax noprefix
	.text
	.section	.text.startup,"ax",@progbits
	.p2align 4
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
	mov	ecx, 2
	xor	edi, edi
	xor	esi, esi
	.p2align 4,,10
	.p2align 3
.L2:
	mov	rax, rcx
	xor	edx, edx
	jmp	.L5
	.p2align 4,,10
	.p2align 3
.L11:
	lea	rax, 1[rax+rax*2]
	add	edx, 1
	cmp	rax, 1
	je	.L10
.L5:
	test	al, 1
	jne	.L11
	shr	rax
	add	edx, 1
	cmp	rax, 1
	jne	.L5
.L10:
	cmp	esi, edx
	cmovb	edi, ecx
	cmovb	esi, edx
	add	rcx, 1
	cmp	rcx, 30
	jne	.L2
	lea	eax, [rsi+rdi]
	ret
	.cfi_endproc
.LFE1:
	.size	main, .-main
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
