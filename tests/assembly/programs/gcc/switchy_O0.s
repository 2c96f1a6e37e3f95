# switchy.c, as gcc 12 compiles it with -O0 -masm=intel
# stdout: ""
# status: 152
	.file	"switchy.c"
	.intel_syntax noprefix
	.text
	.globl	in
	.data
	.align 4
	.type	in, @object
	.size	in, 4
in:
	.long	4
	.text
	.globl	pick
	.type	pick, @function
pick:
.LFB0:
	.cfi_startproc
	push	rbp
	.cfi_def_cfa_offset 16
	.cfi_offset 6, -16
	mov	rbp, rsp
	.cfi_def_cfa_register 6
	mov	DWORD PTR -4[rbp], edi
	cmp	DWORD PTR -4[rbp], 6
	ja	.L2
	mov	eax, DWORD PTR -4[rbp]
	lea	rdx, 0[0+rax*4]
	lea	rax, .L4[rip]
	mov	eax, DWORD PTR [rdx+rax]
	cdqe
	lea	rdx, .L4[rip]
	add	rax, rdx
	jmp	rax
	.section	.rodata
	.align 4
	.align 4
.L4:
	.long	.L10-.L4
	.long	.L9-.L4
	.long	.L8-.L4
	.long	.L7-.L4
	.long	.L6-.L4
	.long	.L5-.L4
	.long	.L3-.L4
	.text
.L10:
	mov	eax, 11
	jmp	.L11
.L9:
	mov	edx, DWORD PTR -4[rbp]
	mov	eax, edx
	sal	eax, 3
	sub	eax, edx
	jmp	.L11
.L8:
	mov	eax, 5
	sub	eax, DWORD PTR -4[rbp]
	jmp	.L11
.L7:
	mov	eax, 77
	jmp	.L11
.L6:
	mov	eax, DWORD PTR -4[rbp]
	sal	eax, 4
	jmp	.L11
.L5:
	mov	eax, DWORD PTR -4[rbp]
	add	eax, 99
	jmp	.L11
.L3:
	mov	eax, DWORD PTR -4[rbp]
	neg	eax
	jmp	.L11
.L2:
	mov	eax, 42
.L11:
	pop	rbp
	.cfi_def_cfa 7, 8
	ret
	.cfi_endproc
.LFE0:
	.size	pick, .-pick
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
	push	rbp
	.cfi_def_cfa_offset 16
	.cfi_offset 6, -16
	mov	rbp, rsp
	.cfi_def_cfa_register 6
	sub	rsp, 16
	mov	DWORD PTR -4[rbp], 0
	mov	DWORD PTR -8[rbp], 0
	jmp	.L13
.L14:
	mov	eax, DWORD PTR -8[rbp]
	mov	edi, eax
	call	pick
	add	DWORD PTR -4[rbp], eax
	add	DWORD PTR -8[rbp], 1
.L13:
	cmp	DWORD PTR -8[rbp], 8
	jle	.L14
	mov	eax, DWORD PTR in[rip]
	mov	edi, eax
	call	pick
	mov	edx, DWORD PTR -4[rbp]
	add	eax, edx
	leave
	.cfi_def_cfa 7, 8
	ret
	.cfi_endproc
.LFE1:
	.size	main, .-main
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
