# sort.c, as gcc 12 compiles it with -O2 -masm=intel
# stdout: ""
# status: 152
	.file	"sort.c"
	.intel_syntax noprefix
	.text
	.p2align 4
	.globl	sort
	.type	sort, @function
sort:
.LFB0:
	.cfi_startproc
	lea	r9d, -1[rsi]
	xor	r8d, r8d
	cmp	esi, 1
	jle	.L1
	.p2align 4,,10
	.p2align 3
.L6:
	mov	ecx, DWORD PTR 4[rdi+r8*4]
	mov	rax, r8
	jmp	.L3
	.p2align 4,,10
	.p2align 3
.L5:
	mov	DWORD PTR 4[rdi+rax*4], edx
	sub	rax, 1
	cmp	eax, -1
	je	.L8
.L3:
	mov	edx, DWORD PTR [rdi+rax*4]
	cmp	edx, ecx
	jg	.L5
	add	eax, 1
	cdqe
	lea	rax, [rdi+rax*4]
.L4:
	add	r8, 1
	mov	DWORD PTR [rax], ecx
	cmp	r9, r8
	jne	.L6
.L1:
	ret
	.p2align 4,,10
	.p2align 3
.L8:
	mov	rax, rdi
	jmp	.L4
	.cfi_endproc
.LFE0:
	.size	sort, .-sort
	.section	.text.startup,"ax",@progbits
	.p2align 4
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
	mov	esi, 10
	lea	rdi, data[rip]
	call	sort
	xor	eax, eax
	xor	edx, edx
	.p2align 4,,10
	.p2align 3
.L13:
	mov	ecx, DWORD PTR [rdi+rax*4]
	imul	ecx, eax
	add	rax, 1
	add	edx, ecx
	cmp	rax, 10
	jne	.L13
	mov	eax, edx
	ret
	.cfi_endproc
.LFE1:
	.size	main, .-main
	.globl	data
	.data
	.align 32
	.type	data, @object
	.size	data, 40
data:
	.long	9
	.long	-4
	.long	7
	.long	0
	.long	3
	.long	3
	.long	-11
	.long	25
	.long	6
	.long	1
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
