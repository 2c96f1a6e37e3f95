# printf.c, as gcc 12 compiles it with -O2 -masm=intel
# libc: yes
# stdout: "0: text 0.00\n1: text 1.50\n2: text 3.00\ndone\n"
# status: 0
	.file	"printf.c"
	.intel_syntax noprefix
	.text
	.section	.rodata.str1.1,"aMS",@progbits,1
.LC0:
	.string	"text"
.LC1:
	.string	"%d: %s %.2f\n"
.LC5:
	.string	"done"
	.section	.text.startup,"ax",@progbits
	.p2align 4
	.globl	main
	.type	main, @function
main:
.LFB11:
	.cfi_startproc
	push	r12
	.cfi_def_cfa_offset 16
	.cfi_offset 12, -16
	lea	r12, .LC0[rip]
	xor	esi, esi
	pxor	xmm0, xmm0
	push	rbp
	.cfi_def_cfa_offset 24
	.cfi_offset 6, -24
	lea	rbp, .LC1[rip]
	mov	rdx, r12
	mov	eax, 1
	push	rbx
	.cfi_def_cfa_offset 32
	.cfi_offset 3, -32
	mov	ebx, edi
	mov	rdi, rbp
	call	printf@PLT
	mov	rdx, r12
	mov	rdi, rbp
	mov	esi, 1
	movsd	xmm0, QWORD PTR .LC3[rip]
	mov	eax, 1
	call	printf@PLT
	mov	rdx, r12
	mov	rdi, rbp
	mov	esi, 2
	movsd	xmm0, QWORD PTR .LC4[rip]
	mov	eax, 1
	call	printf@PLT
	lea	rdi, .LC5[rip]
	call	puts@PLT
	xor	eax, eax
	cmp	ebx, 5
	pop	rbx
	.cfi_def_cfa_offset 24
	setg	al
	pop	rbp
	.cfi_def_cfa_offset 16
	pop	r12
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
.LFE11:
	.size	main, .-main
	.section	.rodata.cst8,"aM",@progbits,8
	.align 8
.LC3:
	.long	0
	.long	1073217536
	.align 8
.LC4:
	.long	0
	.long	1074266112
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
