# A debug build by hand: locals below rbp, parameters spilled, a loop.
# returns: 385
	.intel_syntax noprefix
	.text
	.globl	squares
squares:
	push	rbp
	mov	rbp, rsp
	mov	DWORD PTR -20[rbp], edi
	mov	DWORD PTR -4[rbp], 0
	mov	DWORD PTR -8[rbp], 1
	jmp	.L2
.L3:
	mov	eax, DWORD PTR -8[rbp]
	imul	eax, eax
	add	DWORD PTR -4[rbp], eax
	add	DWORD PTR -8[rbp], 1
.L2:
	mov	eax, DWORD PTR -8[rbp]
	cmp	eax, DWORD PTR -20[rbp]
	jle	.L3
	mov	eax, DWORD PTR -4[rbp]
	pop	rbp
	ret
	.globl	main
main:
	push	rbp
	mov	rbp, rsp
	mov	edi, 10
	call	squares
	nop
	leave
	ret
