# strings.c, as gcc 12 compiles it with -Os -masm=intel -fno-pie -no-pie
# libc: yes
# stdout: ""
# status: 203
	.file	"strings.c"
	.intel_syntax noprefix
	.text
	.globl	length
	.type	length, @function
length:
.LFB0:
	.cfi_startproc
	push	rax
	.cfi_def_cfa_offset 16
	call	strlen
	pop	rdx
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
.LFE0:
	.size	length, .-length
	.section	.text.startup,"ax",@progbits
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
	push	rbp
	.cfi_def_cfa_offset 16
	.cfi_offset 6, -16
	xor	ebp, ebp
	xor	eax, eax
	push	rbx
	.cfi_def_cfa_offset 24
	.cfi_offset 3, -24
	push	rcx
	.cfi_def_cfa_offset 32
.L4:
	mov	rdi, QWORD PTR names[0+rbp*8]
	lea	ebx, [rax+rax*2]
	inc	rbp
	call	length
	add	eax, ebx
	cmp	rbp, 5
	jne	.L4
	pop	rdx
	.cfi_def_cfa_offset 24
	pop	rbx
	.cfi_def_cfa_offset 16
	pop	rbp
	.cfi_def_cfa_offset 8
	ret
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
	.section	.rodata
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
