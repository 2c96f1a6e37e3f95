# switchy.c, as gcc 12 compiles it with -O2 -masm=intel
# stdout: ""
# status: 152
	.file	"switchy.c"
	.intel_syntax noprefix
	.text
	.p2align 4
	.globl	pick
	.type	pick, @function
pick:
.LFB0:
	.cfi_startproc
	mov	eax, 42
	cmp	edi, 6
	ja	.L1
	mov	edi, edi
	lea	rax, CSWTCH.2[rip]
	mov	eax, DWORD PTR [rax+rdi*4]
.L1:
	ret
	.cfi_endproc
.LFE0:
	.size	pick, .-pick
	.section	.text.startup,"ax",@progbits
	.p2align 4
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
	mov	edx, DWORD PTR in[rip]
	mov	eax, 42
	cmp	edx, 6
	ja	.L6
	lea	rax, CSWTCH.2[rip]
	mov	eax, DWORD PTR [rax+rdx*4]
.L6:
	add	eax, 344
	ret
	.cfi_endproc
.LFE1:
	.size	main, .-main
	.section	.rodata
	.align 16
	.type	CSWTCH.2, @object
	.size	CSWTCH.2, 28
CSWTCH.2:
	.long	11
	.long	7
	.long	3
	.long	77
	.long	64
	.long	104
	.long	-6
	.globl	in
	.data
	.align 4
	.type	in, @object
	.size	in, 4
in:
	.long	4
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
