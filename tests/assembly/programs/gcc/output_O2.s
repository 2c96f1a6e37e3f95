# output.c, as gcc 12 compiles it with -O2 -masm=intel
# stdout: "1\n37\n1369\n50653\n1874161\n"
# status: 9
	.file	"output.c"
	.intel_syntax noprefix
	.text
	.section	.text.startup,"ax",@progbits
	.p2align 4
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
	push	r14
	.cfi_def_cfa_offset 16
	.cfi_offset 14, -16
	lea	rsi, line[rip]
	mov	edi, 1
	mov	r10d, 1
	push	r13
	.cfi_def_cfa_offset 24
	.cfi_offset 13, -24
	mov	r8d, 3435973837
	push	r12
	.cfi_def_cfa_offset 32
	.cfi_offset 12, -32
	push	rbp
	.cfi_def_cfa_offset 40
	.cfi_offset 6, -40
	lea	rbp, 1[rsi]
	push	rbx
	.cfi_def_cfa_offset 48
	.cfi_offset 3, -48
	mov	ebx, 5
	lea	r12, -12[rsp]
	lea	r9, -13[rsp]
	.p2align 4,,10
	.p2align 3
.L4:
	mov	ecx, r10d
	mov	r13d, 1
	.p2align 4,,10
	.p2align 3
.L2:
	mov	eax, ecx
	mov	edx, ecx
	imul	rax, r8
	shr	rax, 35
	lea	r11d, [rax+rax*4]
	add	r11d, r11d
	sub	edx, r11d
	mov	r11d, ecx
	mov	ecx, eax
	add	edx, 48
	mov	BYTE PTR [r9+r13], dl
	mov	rdx, r13
	lea	r13, 1[r13]
	cmp	r11d, 9
	ja	.L2
	movsx	r14, edx
	lea	r13d, -1[rdx]
	lea	rax, line[rip]
	lea	rcx, [r12+r14]
	add	r13, rbp
	.p2align 4,,10
	.p2align 3
.L3:
	movzx	r11d, BYTE PTR -1[rcx]
	add	rax, 1
	sub	rcx, 1
	mov	BYTE PTR -1[rax], r11b
	cmp	rax, r13
	jne	.L3
	add	edx, 1
	mov	BYTE PTR [rsi+r14], 10
	mov	rax, rdi
	movsx	rdx, edx
#APP
# 1 "output.c" 1
	syscall
# 0 "" 2
#NO_APP
	lea	eax, [r10+r10*8]
	lea	r10d, [r10+rax*4]
	sub	ebx, 1
	jne	.L4
	pop	rbx
	.cfi_def_cfa_offset 40
	mov	eax, 9
	pop	rbp
	.cfi_def_cfa_offset 32
	pop	r12
	.cfi_def_cfa_offset 24
	pop	r13
	.cfi_def_cfa_offset 16
	pop	r14
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
.LFE1:
	.size	main, .-main
	.local	line
	.comm	line,32,32
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
