# structs.c, as gcc 12 compiles it with -O1
# stdout: ""
# status: 137
	.file	"structs.c"
	.text
	.globl	main
	.type	main, @function
main:
.LFB0:
	.cfi_startproc
	movq	head(%rip), %rax
	testq	%rax, %rax
	je	.L4
	movl	$0, %edx
	pxor	%xmm1, %xmm1
.L3:
	movswl	8(%rax), %ecx
	pxor	%xmm0, %xmm0
	cvtsi2sdl	%ecx, %xmm0
	mulsd	16(%rax), %xmm0
	addsd	%xmm0, %xmm1
	movsbl	10(%rax), %ecx
	addl	%ecx, %edx
	movq	(%rax), %rax
	testq	%rax, %rax
	jne	.L3
.L2:
	cvttsd2sil	%xmm1, %eax
	addl	%edx, %eax
	ret
.L4:
	movl	$0, %edx
	pxor	%xmm1, %xmm1
	jmp	.L2
	.cfi_endproc
.LFE0:
	.size	main, .-main
	.globl	head
	.section	.data.rel.local,"aw"
	.align 8
	.type	head, @object
	.size	head, 8
head:
	.quad	a
	.align 16
	.type	a, @object
	.size	a, 24
a:
	.quad	b
	.value	7
	.byte	97
	.zero	5
	.long	0
	.long	1075838976
	.align 16
	.type	b, @object
	.size	b, 24
b:
	.quad	c
	.value	20
	.byte	98
	.zero	5
	.long	0
	.long	1073872896
	.data
	.align 16
	.type	c, @object
	.size	c, 24
c:
	.quad	0
	.value	-3
	.byte	99
	.zero	5
	.long	0
	.long	1071644672
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
