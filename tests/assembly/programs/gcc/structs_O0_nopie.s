# structs.c, as gcc 12 compiles it with -O0 -masm=intel -fno-pie -no-pie
# stdout: ""
# status: 137
	.file	"structs.c"
	.intel_syntax noprefix
	.text
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
	.globl	head
	.align 8
	.type	head, @object
	.size	head, 8
head:
	.quad	a
	.text
	.globl	main
	.type	main, @function
main:
.LFB0:
	.cfi_startproc
	push	rbp
	.cfi_def_cfa_offset 16
	.cfi_offset 6, -16
	mov	rbp, rsp
	.cfi_def_cfa_register 6
	pxor	xmm0, xmm0
	movsd	QWORD PTR [rbp-8], xmm0
	mov	DWORD PTR [rbp-12], 0
	mov	rax, QWORD PTR head[rip]
	mov	QWORD PTR [rbp-24], rax
	jmp	.L2
.L3:
	mov	rax, QWORD PTR [rbp-24]
	movsd	xmm1, QWORD PTR [rax+16]
	mov	rax, QWORD PTR [rbp-24]
	movzx	eax, WORD PTR [rax+8]
	cwde
	pxor	xmm0, xmm0
	cvtsi2sd	xmm0, eax
	mulsd	xmm0, xmm1
	movsd	xmm1, QWORD PTR [rbp-8]
	addsd	xmm0, xmm1
	movsd	QWORD PTR [rbp-8], xmm0
	mov	rax, QWORD PTR [rbp-24]
	movzx	eax, BYTE PTR [rax+10]
	movsx	eax, al
	add	DWORD PTR [rbp-12], eax
	mov	rax, QWORD PTR [rbp-24]
	mov	rax, QWORD PTR [rax]
	mov	QWORD PTR [rbp-24], rax
.L2:
	cmp	QWORD PTR [rbp-24], 0
	jne	.L3
	movsd	xmm0, QWORD PTR [rbp-8]
	cvttsd2si	edx, xmm0
	mov	eax, DWORD PTR [rbp-12]
	add	eax, edx
	pop	rbp
	.cfi_def_cfa 7, 8
	ret
	.cfi_endproc
.LFE0:
	.size	main, .-main
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
