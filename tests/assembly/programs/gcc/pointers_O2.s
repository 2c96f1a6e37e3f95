# pointers.c, as gcc 12 compiles it with -O2 -masm=intel
# stdout: ""
# status: 40
	.file	"pointers.c"
	.intel_syntax noprefix
	.text
	.p2align 4
	.type	add, @function
add:
.LFB0:
	.cfi_startproc
	lea	rax, [rdi+rsi]
	ret
	.cfi_endproc
.LFE0:
	.size	add, .-add
	.p2align 4
	.type	sub, @function
sub:
.LFB1:
	.cfi_startproc
	mov	rax, rdi
	sub	rax, rsi
	ret
	.cfi_endproc
.LFE1:
	.size	sub, .-sub
	.p2align 4
	.type	mul, @function
mul:
.LFB2:
	.cfi_startproc
	mov	rax, rdi
	imul	rax, rsi
	ret
	.cfi_endproc
.LFE2:
	.size	mul, .-mul
	.section	.text.startup,"ax",@progbits
	.p2align 4
	.globl	main
	.type	main, @function
main:
.LFB3:
	.cfi_startproc
	push	rbp
	.cfi_def_cfa_offset 16
	.cfi_offset 6, -16
	mov	edi, 10
	push	rbx
	.cfi_def_cfa_offset 24
	.cfi_offset 3, -24
	lea	rbx, table[rip]
	lea	rbp, 24[rbx]
	sub	rsp, 8
	.cfi_def_cfa_offset 32
.L6:
	mov	esi, 4
	call	[QWORD PTR [rbx]]
	add	rbx, 8
	mov	rdi, rax
	cmp	rbx, rbp
	jne	.L6
	add	rsp, 8
	.cfi_def_cfa_offset 24
	pop	rbx
	.cfi_def_cfa_offset 16
	pop	rbp
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
.LFE3:
	.size	main, .-main
	.globl	table
	.section	.data.rel.local,"aw"
	.align 16
	.type	table, @object
	.size	table, 24
table:
	.quad	add
	.quad	sub
	.quad	mul
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
