# floats.c, as gcc 12 compiles it with -O2 -fcf-protection
# stdout: ""
# status: 84
	.file	"floats.c"
	.text
	.section	.text.startup,"ax",@progbits
	.p2align 4
	.globl	main
	.type	main, @function
main:
.LFB0:
	.cfi_startproc
	endbr64
	leaq	v(%rip), %rax
	movsd	scale(%rip), %xmm2
	pxor	%xmm1, %xmm1
	leaq	64(%rax), %rcx
	movq	%rax, %rdx
	.p2align 4,,10
	.p2align 3
.L2:
	pxor	%xmm0, %xmm0
	addq	$4, %rdx
	cvtss2sd	-4(%rdx), %xmm0
	mulsd	%xmm2, %xmm0
	addsd	%xmm0, %xmm1
	cmpq	%rcx, %rdx
	jne	.L2
	movss	v(%rip), %xmm0
	.p2align 4,,10
	.p2align 3
.L5:
	movss	(%rax), %xmm2
	addq	$4, %rax
	maxss	%xmm0, %xmm2
	movaps	%xmm2, %xmm0
	cmpq	%rcx, %rax
	jne	.L5
	pxor	%xmm0, %xmm0
	cvtss2sd	%xmm2, %xmm0
	addsd	%xmm1, %xmm0
	cvttsd2sil	%xmm0, %eax
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
	.section	.note.gnu.property,"a"
	.align 8
	.long	1f - 0f
	.long	4f - 1f
	.long	5
0:
	.string	"GNU"
1:
	.align 8
	.long	0xc0000002
	.long	3f - 2f
2:
	.long	0x3
3:
	.align 8
4:
