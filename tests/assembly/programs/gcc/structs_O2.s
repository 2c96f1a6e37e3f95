# structs.c, as gcc 12 compiles it with -O2 -masm=intel
# stdout: ""
# status: 137
	.file	"structs.c"
	.intel_syntax noprefix
	.text
	.section	.text.startup,"ax",@progbits
	.p2align 4
	.globl	main
	.type	main, @function
main:
.LFB0:
	.cfi_startproc
	mov	rax, QWORD PTR head[rip]
	xor	edx, edx
	pxor	xmm1, xmm1
	test	rax, rax
	je	.L2
	.p2align 4,,10
	.p2align 3
.L3:
	movsx	ecx, WORD PTR 8[rax]
	pxor	xmm0, xmm0
	cvtsi2sd	xmm0, ecx
	mulsd	xmm0, QWORD PTR 16[rax]
	movsx	ecx, BYTE PTR 10[rax]
	mov	rax, QWORD PTR [rax]
	add	edx, ecx
	addsd	xmm1, xmm0
	test	rax, rax
	jne	.L3
.L2:
	cvttsd2si	eax, xmm1
	add	eax, edx
	ret
	.cfi_endproc
.LFE0:
	.size	main, .-main
	.globl	head
	.section	.data.rel.local,"aw"
	.align 8
	.type	head, @object
	.size	head, 8
head:
	.quad	a
	.align 16
	.type	a, @object
	.size	a, 24
a:
	.quad	b
	.value	7
	.byte	97
	.zero	5
	.long	0
	.long	1075838976
	.align 16
	.type	b, @object
	.size	b, 24
b:
	.quad	c
	.value	20
	.byte	98
	.zero	5
	.long	0
	.long	1073872896
	.data
	.align 16
	.type	c, @object
	.size	c, 24
c:
	.quad	0
	.value	-3
	.byte	99
	.zero	5
	.long	0
	.long	1071644672
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
