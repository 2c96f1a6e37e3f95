# floats.c, as gcc 12 compiles it with -O2 -masm=intel
# stdout: ""
# status: 84
	.file	"floats.c"
	.intel_syntax noprefix
	.text
	.section	.text.startup,"ax",@progbits
	.p2align 4
	.globl	main
	.type	main, @function
main:
.LFB0:
	.cfi_startproc
	lea	rax, v[rip]
	movsd	xmm2, QWORD PTR scale[rip]
	pxor	xmm1, xmm1
	lea	rcx, 64[rax]
	mov	rdx, rax
	.p2align 4,,10
	.p2align 3
.L2:
	pxor	xmm0, xmm0
	add	rdx, 4
	cvtss2sd	xmm0, DWORD PTR -4[rdx]
	mulsd	xmm0, xmm2
	addsd	xmm1, xmm0
	cmp	rdx, rcx
	jne	.L2
	movss	xmm0, DWORD PTR v[rip]
	.p2align 4,,10
	.p2align 3
.L5:
	movss	xmm2, DWORD PTR [rax]
	add	rax, 4
	maxss	xmm2, xmm0
	movaps	xmm0, xmm2
	cmp	rax, rcx
	jne	.L5
	pxor	xmm0, xmm0
	cvtss2sd	xmm0, xmm2
	addsd	xmm0, xmm1
	cvttsd2si	eax, xmm0
	ret
	.cfi_endproc
.LFE0:
	.size	main, .-main
	.globl	scale
	.data
	.align 8
	.type	scale, @object
	.size	scale, 8
scale:
	.long	0
	.long	1071644672
	.globl	v
	.align 32
	.type	v, @object
	.size	v, 64
v:
	.long	1065353216
	.long	1073741824
	.long	1077936128
	.long	1082130432
	.long	1084227584
	.long	1086324736
	.long	1088421888
	.long	1090519040
	.long	1091567616
	.long	1092616192
	.long	1093664768
	.long	1094713344
	.long	1095761920
	.long	1096810496
	.long	1097859072
	.long	1098907648
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
