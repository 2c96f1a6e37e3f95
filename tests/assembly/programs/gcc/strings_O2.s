# strings.c, as gcc 12 compiles it with -O2 -masm=intel
# libc: yes
# stdout: ""
# status: 203
	.file	"strings.c"
	.intel_syntax noprefix
	.text
	.p2align 4
	.globl	length
	.type	length, @function
length:
.LFB0:
	.cfi_startproc
	cmp	BYTE PTR [rdi], 0
	je	.L3
	lea	rax, 1[rdi]
	sub	rsp, 8
	.cfi_def_cfa_offset 16
	mov	rdi, rax
	call	strlen@PLT
	add	rsp, 8
	.cfi_def_cfa_offset 8
	add	eax, 1
	ret
	.p2align 4,,10
	.p2align 3
.L3:
	xor	eax, eax
	ret
	.cfi_endproc
.LFE0:
	.size	length, .-length
	.section	.text.startup,"ax",@progbits
	.p2align 4
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
	push	r12
	.cfi_def_cfa_offset 16
	.cfi_offset 12, -16
	mov	edx, 97
	xor	eax, eax
	push	rbp
	.cfi_def_cfa_offset 24
	.cfi_offset 6, -24
	lea	rbp, names[rip]
	push	rbx
	.cfi_def_cfa_offset 32
	.cfi_offset 3, -32
	lea	r12, 40[rbp]
	jmp	.L12
	.p2align 4,,10
	.p2align 3
.L15:
	mov	rdx, QWORD PTR 0[rbp]
	movzx	edx, BYTE PTR [rdx]
.L12:
	lea	ebx, [rax+rax*2]
	mov	rax, QWORD PTR 0[rbp]
	lea	rdi, 1[rax]
	test	dl, dl
	je	.L13
	call	strlen@PLT
	add	eax, 1
.L10:
	add	rbp, 8
	add	eax, ebx
	cmp	r12, rbp
	jne	.L15
	pop	rbx
	.cfi_remember_state
	.cfi_def_cfa_offset 24
	pop	rbp
	.cfi_def_cfa_offset 16
	pop	r12
	.cfi_def_cfa_offset 8
	ret
.L13:
	.cfi_restore_state
	xor	eax, eax
	jmp	.L10
	.cfi_endproc
.LFE1:
	.size	main, .-main
	.section	.rodata.str1.1,"aMS",@progbits,1
.LC0:
	.string	"ada"
.LC1:
	.string	"grace"
.LC2:
	.string	"edsger"
.LC3:
	.string	"barbara"
.LC4:
	.string	"donald"
	.section	.data.rel.ro.local,"aw"
	.align 32
	.type	names, @object
	.size	names, 40
names:
	.quad	.LC0
	.quad	.LC1
	.quad	.LC2
	.quad	.LC3
	.quad	.LC4
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
