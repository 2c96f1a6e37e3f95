# sum.c, as gcc 12 compiles it with -O2 -masm=intel
# stdout: ""
# status: 31
	.file	"sum.c"
	.intel_syntax noprefix
	.text
	.p2align 4
	.globl	sum
	.type	sum, @function
sum:
.LFB0:
	.cfi_startproc
	test	esi, esi
	jle	.L4
	movsx	rsi, esi
	xor	eax, eax
	lea	rdx, [rdi+rsi*8]
	.p2align 4,,10
	.p2align 3
.L3:
	add	rax, QWORD PTR [rdi]
	add	rdi, 8
	cmp	rdi, rdx
	jne	.L3
	ret
	.p2align 4,,10
	.p2align 3
.L4:
	xor	eax, eax
	ret
	.cfi_endproc
.LFE0:
	.size	sum, .-sum
	.section	.text.startup,"ax",@progbits
	.p2align 4
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
	lea	rdx, numbers[rip]
	xor	eax, eax
	lea	rcx, 64[rdx]
	.p2align 4,,10
	.p2align 3
.L8:
	add	rax, QWORD PTR [rdx]
	add	rdx, 8
	cmp	rdx, rcx
	jne	.L8
	ret
	.cfi_endproc
.LFE1:
	.size	main, .-main
	.globl	numbers
	.data
	.align 32
	.type	numbers, @object
	.size	numbers, 64
numbers:
	.quad	3
	.quad	1
	.quad	4
	.quad	1
	.quad	5
	.quad	9
	.quad	2
	.quad	6
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
