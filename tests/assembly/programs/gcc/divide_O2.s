# divide.c, as gcc 12 compiles it with -O2 -masm=intel
# stdout: ""
# status: 90
	.file	"divide.c"
	.intel_syntax noprefix
	.text
	.section	.text.startup,"ax",@progbits
	.p2align 4
	.globl	main
	.type	main, @function
main:
.LFB0:
	.cfi_startproc
	movsx	rdx, DWORD PTR n[rip]
	mov	edi, DWORD PTR u[rip]
	mov	rcx, QWORD PTR l[rip]
	mov	rsi, rdx
	imul	rdx, rdx, -1840700269
	mov	eax, esi
	mov	r9, rcx
	sar	eax, 31
	shr	rdx, 32
	add	edx, esi
	sar	edx, 2
	sub	edx, eax
	lea	eax, 0[0+rdx*8]
	lea	r8d, [rsi+rdx*2]
	mov	edx, 3435973837
	sub	r8d, eax
	test	esi, esi
	lea	eax, 7[rsi]
	cmovns	eax, esi
	sar	r9, 63
	sar	eax, 3
	add	r8d, eax
	mov	eax, edi
	imul	rax, rdx
	shr	rax, 35
	mov	edx, eax
	imul	rdx, rdx, 1374389535
	shr	rdx, 37
	imul	edx, edx, 100
	sub	eax, edx
	add	r8d, eax
	movabs	rax, 2361183241434822607
	imul	rcx
	mov	rax, rcx
	mov	r8d, r8d
	sar	rcx, 3
	sar	rdx, 7
	sub	rdx, r9
	imul	rdx, rdx, 1000
	sub	rax, rdx
	add	r8, rax
	movabs	rax, -6640827866535438581
	imul	rcx
	add	rdx, rcx
	sar	rdx, 5
	sub	rdx, r9
	lea	rax, [rdx+rdx*4]
	movsx	edx, WORD PTR h[rip]
	lea	rax, [rax+rax*4]
	add	rax, rax
	sub	rcx, rax
	mov	eax, edx
	imul	edx, edx, 21846
	sar	ax, 15
	add	r8, rcx
	shr	edx, 16
	sub	edx, eax
	mov	eax, 5
	movsx	rdx, dx
	add	r8, rdx
	test	esi, esi
	jg	.L2
	cmp	edi, 7
	sbb	rax, rax
	add	rax, 7
.L2:
	add	rax, r8
	and	eax, 32767
	ret
	.cfi_endproc
.LFE0:
	.size	main, .-main
	.globl	h
	.data
	.align 2
	.type	h, @object
	.size	h, 2
h:
	.value	1234
	.globl	l
	.align 8
	.type	l, @object
	.size	l, 8
l:
	.quad	-987654321012345
	.globl	u
	.align 4
	.type	u, @object
	.size	u, 4
u:
	.long	123456789
	.globl	n
	.align 4
	.type	n, @object
	.size	n, 4
n:
	.long	-1000
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
