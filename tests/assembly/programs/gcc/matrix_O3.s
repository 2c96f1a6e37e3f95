# matrix.c, as gcc 12 compiles it with -O3 -masm=intel
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
	movdqa	xmm0, XMMWORD PTR .LC0[rip]
	movdqa	xmm1, XMMWORD PTR .LC2[rip]
	movdqa	xmm3, XMMWORD PTR .LC8[rip]
	paddd	xmm3, XMMWORD PTR c[rip+16]
	movaps	XMMWORD PTR a[rip], xmm0
	movdqa	xmm0, XMMWORD PTR .LC1[rip]
	movdqa	xmm2, XMMWORD PTR .LC7[rip]
	movaps	XMMWORD PTR a[rip+32], xmm1
	movdqa	xmm1, XMMWORD PTR .LC3[rip]
	paddd	xmm2, XMMWORD PTR c[rip]
	movaps	XMMWORD PTR a[rip+16], xmm0
	movaps	XMMWORD PTR b[rip+16], xmm0
	movdqa	xmm0, XMMWORD PTR .LC5[rip]
	movd	edx, xmm2
	movaps	XMMWORD PTR a[rip+48], xmm1
	movdqa	xmm1, XMMWORD PTR .LC4[rip]
	movaps	XMMWORD PTR b[rip+32], xmm0
	movdqa	xmm0, XMMWORD PTR .LC6[rip]
	movaps	XMMWORD PTR b[rip], xmm1
	movdqa	xmm1, XMMWORD PTR .LC10[rip]
	paddd	xmm1, XMMWORD PTR c[rip+48]
	movaps	XMMWORD PTR b[rip+48], xmm0
	movdqa	xmm0, XMMWORD PTR .LC9[rip]
	paddd	xmm0, XMMWORD PTR c[rip+32]
	movaps	XMMWORD PTR c[rip+16], xmm3
	pshufd	xmm3, xmm3, 85
	movd	eax, xmm3
	movaps	XMMWORD PTR c[rip+32], xmm0
	punpckhdq	xmm0, xmm0
	add	edx, eax
	movaps	XMMWORD PTR c[rip+48], xmm1
	movd	eax, xmm0
	pshufd	xmm1, xmm1, 255
	add	eax, edx
	movd	edx, xmm1
	movaps	XMMWORD PTR c[rip], xmm2
	add	eax, edx
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
	.long	2
	.long	3
	.long	4
	.align 16
.LC2:
	.long	2
	.long	3
	.long	4
	.long	5
	.align 16
.LC3:
	.long	3
	.long	4
	.long	5
	.long	6
	.align 16
.LC4:
	.long	1
	.long	1
	.long	1
	.long	1
	.align 16
.LC5:
	.long	1
	.long	3
	.long	5
	.long	7
	.align 16
.LC6:
	.long	1
	.long	4
	.long	7
	.long	10
	.align 16
.LC7:
	.long	6
	.long	20
	.long	34
	.long	48
	.align 16
.LC8:
	.long	10
	.long	30
	.long	50
	.long	70
	.align 16
.LC9:
	.long	14
	.long	40
	.long	66
	.long	92
	.align 16
.LC10:
	.long	18
	.long	50
	.long	82
	.long	114
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
