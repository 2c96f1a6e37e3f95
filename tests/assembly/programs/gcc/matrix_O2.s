# matrix.c, as gcc 12 compiles it with -O2 -masm=intel
# stdout: ""
# status: 216
	.file	"matrix.c"
	.intel_syntax noprefix
	.text
	.section	.text.startup,"ax",@progbits
	.p2align 4
	.globl	main
	.type	main, @function
main:
.LFB0:
	.cfi_startproc
	lea	rdi, a[rip]
	lea	rcx, b[rip]
	xor	eax, eax
	movdqa	xmm2, XMMWORD PTR .LC0[rip]
	movdqa	xmm4, XMMWORD PTR .LC1[rip]
	mov	rdx, rdi
	movdqa	xmm3, xmm2
	psrlq	xmm3, 32
.L2:
	movd	xmm6, eax
	add	eax, 1
	add	rdx, 16
	add	rcx, 16
	pshufd	xmm0, xmm6, 0
	movdqa	xmm1, xmm0
	paddd	xmm1, xmm2
	movaps	XMMWORD PTR -16[rdx], xmm1
	movdqa	xmm1, xmm0
	psrlq	xmm0, 32
	pmuludq	xmm1, xmm2
	pmuludq	xmm0, xmm3
	pshufd	xmm1, xmm1, 8
	pshufd	xmm0, xmm0, 8
	punpckldq	xmm1, xmm0
	movdqa	xmm0, xmm1
	paddd	xmm0, xmm4
	movaps	XMMWORD PTR -16[rcx], xmm0
	cmp	eax, 4
	jne	.L2
	lea	rcx, c[rip]
	lea	rsi, b[rip+64]
	lea	r8, 64[rcx]
.L3:
	movdqa	xmm3, XMMWORD PTR [rcx]
	mov	rdx, rdi
	lea	rax, b[rip]
.L5:
	movd	xmm5, DWORD PTR [rdx]
	movdqa	xmm2, XMMWORD PTR [rax]
	add	rax, 16
	add	rdx, 4
	pshufd	xmm0, xmm5, 0
	psrlq	xmm2, 32
	movdqa	xmm1, xmm0
	psrlq	xmm0, 32
	pmuludq	xmm1, XMMWORD PTR -16[rax]
	pshufd	xmm1, xmm1, 8
	pmuludq	xmm0, xmm2
	pshufd	xmm0, xmm0, 8
	punpckldq	xmm1, xmm0
	paddd	xmm3, xmm1
	cmp	rax, rsi
	jne	.L5
	movaps	XMMWORD PTR [rcx], xmm3
	add	rcx, 16
	add	rdi, 16
	cmp	r8, rcx
	jne	.L3
	mov	eax, DWORD PTR c[rip+20]
	add	eax, DWORD PTR c[rip]
	add	eax, DWORD PTR c[rip+40]
	add	eax, DWORD PTR c[rip+60]
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
	.section	.rodata.cst16,"aM",@progbits,16
	.align 16
.LC0:
	.long	0
	.long	1
	.long	2
	.long	3
	.align 16
.LC1:
	.long	1
	.long	1
	.long	1
	.long	1
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
