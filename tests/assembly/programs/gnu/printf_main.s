# A main that calls printf the way a compiler does.
# libc: yes
# stdout: "1 squared is 1\n2 squared is 4\n3 squared is 9\n4 squared is 16\n5 squared is 25\n"
# returns: 0
	.intel_syntax noprefix
	.section	.rodata.str1.1,"aMS",@progbits,1
.LC0:
	.string	"%d squared is %d\n"
	.text
	.globl	main
	.type	main, @function
main:
	push	rbx
	mov	ebx, 1
.L2:
	mov	edx, ebx
	imul	edx, ebx
	mov	esi, ebx
	lea	rdi, .LC0[rip]
	xor	eax, eax
	call	printf@PLT
	inc	ebx
	cmp	ebx, 6
	jne	.L2
	xor	eax, eax
	pop	rbx
	ret
	.size	main, .-main
	.extern	printf
	.section	.note.GNU-stack,"",@progbits
