# floats.c, as gcc 12 compiles it with -O3 -masm=intel -mavx2
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
	vmovsd	xmm1, QWORD PTR scale[rip]
	vmovss	xmm0, DWORD PTR v[rip]
	vxorpd	xmm2, xmm2, xmm2
	vmovss	xmm15, DWORD PTR v[rip+4]
	vmovss	xmm14, DWORD PTR v[rip+8]
	vcvtss2sd	xmm3, xmm0, xmm0
	vmulsd	xmm3, xmm3, xmm1
	vmovss	xmm13, DWORD PTR v[rip+12]
	vmovss	xmm12, DWORD PTR v[rip+16]
	vmovss	xmm11, DWORD PTR v[rip+20]
	vmovss	xmm10, DWORD PTR v[rip+24]
	vmaxss	xmm0, xmm15, xmm0
	vmovss	xmm9, DWORD PTR v[rip+28]
	vmovss	xmm8, DWORD PTR v[rip+32]
	vmovss	xmm7, DWORD PTR v[rip+36]
	vmovss	xmm6, DWORD PTR v[rip+40]
	vmaxss	xmm0, xmm14, xmm0
	vmovss	xmm5, DWORD PTR v[rip+56]
	vmovss	xmm4, DWORD PTR v[rip+60]
	vaddsd	xmm3, xmm3, xmm2
	vcvtss2sd	xmm2, xmm15, xmm15
	vmulsd	xmm2, xmm2, xmm1
	vmaxss	xmm0, xmm13, xmm0
	vaddsd	xmm2, xmm2, xmm3
	vcvtss2sd	xmm3, xmm14, xmm14
	vmulsd	xmm3, xmm3, xmm1
	vmaxss	xmm0, xmm12, xmm0
	vmaxss	xmm0, xmm11, xmm0
	vaddsd	xmm3, xmm3, xmm2
	vcvtss2sd	xmm2, xmm13, xmm13
	vmulsd	xmm2, xmm2, xmm1
	vmaxss	xmm0, xmm10, xmm0
	vmaxss	xmm0, xmm9, xmm0
	vaddsd	xmm2, xmm2, xmm3
	vcvtss2sd	xmm3, xmm12, xmm12
	vmulsd	xmm3, xmm3, xmm1
	vmaxss	xmm0, xmm8, xmm0
	vaddsd	xmm3, xmm3, xmm2
	vcvtss2sd	xmm2, xmm11, xmm11
	vmulsd	xmm2, xmm2, xmm1
	vmaxss	xmm0, xmm7, xmm0
	vmaxss	xmm0, xmm6, xmm0
	vaddsd	xmm2, xmm2, xmm3
	vcvtss2sd	xmm3, xmm10, xmm10
	vmulsd	xmm3, xmm3, xmm1
	vaddsd	xmm3, xmm3, xmm2
	vcvtss2sd	xmm2, xmm9, xmm9
	vmulsd	xmm2, xmm2, xmm1
	vaddsd	xmm2, xmm2, xmm3
	vcvtss2sd	xmm3, xmm8, xmm8
	vmulsd	xmm3, xmm3, xmm1
	vaddsd	xmm3, xmm3, xmm2
	vcvtss2sd	xmm2, xmm7, xmm7
	vmulsd	xmm2, xmm2, xmm1
	vmovss	xmm7, DWORD PTR v[rip+48]
	vaddsd	xmm2, xmm2, xmm3
	vcvtss2sd	xmm3, xmm6, xmm6
	vmulsd	xmm3, xmm3, xmm1
	vmovss	xmm6, DWORD PTR v[rip+44]
	vmaxss	xmm0, xmm6, xmm0
	vmovss	xmm6, DWORD PTR v[rip+52]
	vaddsd	xmm3, xmm3, xmm2
	vcvtss2sd	xmm2, xmm2, DWORD PTR v[rip+44]
	vmulsd	xmm2, xmm2, xmm1
	vmaxss	xmm0, xmm7, xmm0
	vmaxss	xmm0, xmm6, xmm0
	vaddsd	xmm2, xmm2, xmm3
	vcvtss2sd	xmm3, xmm3, DWORD PTR v[rip+48]
	vmulsd	xmm3, xmm3, xmm1
	vmaxss	xmm0, xmm5, xmm0
	vmaxss	xmm0, xmm4, xmm0
	vaddsd	xmm3, xmm3, xmm2
	vcvtss2sd	xmm2, xmm2, DWORD PTR v[rip+52]
	vmulsd	xmm2, xmm2, xmm1
	vcvtss2sd	xmm0, xmm0, xmm0
	vaddsd	xmm2, xmm2, xmm3
	vcvtss2sd	xmm3, xmm5, xmm5
	vmulsd	xmm3, xmm3, xmm1
	vaddsd	xmm3, xmm3, xmm2
	vcvtss2sd	xmm2, xmm4, xmm4
	vmulsd	xmm2, xmm2, xmm1
	vaddsd	xmm2, xmm2, xmm3
	vaddsd	xmm0, xmm0, xmm2
	vcvttsd2si	eax, xmm0
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
