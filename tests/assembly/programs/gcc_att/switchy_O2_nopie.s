# switchy.c, as gcc 12 compiles it with -O2 -fno-pie -no-pie
# stdout: ""
# status: 152
	.file	"switchy.c"
	.text
	.p2align 4
	.globl	pick
	.type	pick, @function
pick:
.LFB0:
	.cfi_startproc
	movl	$42, %eax
	cmpl	$6, %edi
	ja	.L1
	movl	%edi, %edi
	movl	CSWTCH.2(,%rdi,4), %eax
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
	movl	in(%rip), %edx
	movl	$42, %eax
	cmpl	$6, %edx
	ja	.L6
	movl	CSWTCH.2(,%rdx,4), %eax
.L6:
	addl	$344, %eax
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
