# bits.c, as gcc 12 compiles it with -O2 -masm=intel
# stdout: ""
# status: 119
	.file	"bits.c"
	.intel_syntax noprefix
	.text
	.p2align 4
	.globl	parity
	.type	parity, @function
parity:
.LFB0:
	.cfi_startproc
	xor	edx, edx
	test	rdi, rdi
	je	.L1
	.p2align 4,,10
	.p2align 3
.L3:
	lea	rax, -1[rdi]
	xor	edx, 1
	and	rdi, rax
	jne	.L3
.L1:
	mov	eax, edx
	ret
	.cfi_endproc
.LFE0:
	.size	parity, .-parity
	.section	.text.startup,"ax",@progbits
	.p2align 4
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
	lea	rsi, bytes[rip]
	mov	rdi, QWORD PTR x[rip]
	xor	ecx, ecx
	mov	rax, rsi
	lea	r8, 8[rsi]
	.p2align 4,,10
	.p2align 3
.L8:
	mov	rdx, rdi
	add	rax, 1
	shr	rdx, cl
	add	ecx, 8
	mov	BYTE PTR -1[rax], dl
	cmp	rax, r8
	jne	.L8
	xor	eax, eax
	lea	rcx, big[rip]
	.p2align 4,,10
	.p2align 3
.L9:
	mov	rdx, rax
	and	edx, 7
	movzx	edx, BYTE PTR [rsi+rdx]
	imul	rdx, rax
	mov	QWORD PTR [rcx+rax*8], rdx
	add	rax, 1
	cmp	rax, 40
	jne	.L9
	lea	rsi, big[rip]
	mov	r8d, DWORD PTR counter[rip]
	movabs	r9, 5270498306774157605
	lea	r10, 320[rsi]
	.p2align 4,,10
	.p2align 3
.L10:
	mov	rcx, QWORD PTR [rsi]
	add	rsi, 8
	mov	rax, rcx
	imul	r9
	mov	rax, rcx
	sar	rax, 63
	sar	rdx
	sub	rdx, rax
	lea	rax, 0[0+rdx*8]
	sub	rax, rdx
	sub	rcx, rax
	add	r8d, ecx
	cmp	r10, rsi
	jne	.L10
	mov	DWORD PTR counter[rip], r8d
	xor	edx, edx
	test	rdi, rdi
	je	.L11
	.p2align 4,,10
	.p2align 3
.L12:
	lea	rax, -1[rdi]
	xor	edx, 1
	and	rdi, rax
	jne	.L12
.L11:
	lea	eax, [r8+rdx]
	ret
	.cfi_endproc
.LFE1:
	.size	main, .-main
	.globl	big
	.bss
	.align 32
	.type	big, @object
	.size	big, 320
big:
	.zero	320
	.local	counter
	.comm	counter,4,4
	.globl	bytes
	.align 8
	.type	bytes, @object
	.size	bytes, 8
bytes:
	.zero	8
	.globl	x
	.data
	.align 8
	.type	x, @object
	.size	x, 8
x:
	.quad	-2401053089206439923
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
