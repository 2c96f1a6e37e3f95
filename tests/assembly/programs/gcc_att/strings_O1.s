# strings.c, as gcc 12 compiles it with -O1
# stdout: ""
# status: 203
	.file	"strings.c"
	.text
	.globl	length
	.type	length, @function
length:
.LFB0:
	.cfi_startproc
	leaq	1(%rdi), %rcx
	cmpb	$0, (%rdi)
	je	.L4
	movq	%rcx, %rax
.L3:
	movq	%rax, %rdx
	addq	$1, %rax
	cmpb	$0, -1(%rax)
	jne	.L3
	subl	%ecx, %edx
	leal	1(%rdx), %eax
	ret
.L4:
	movl	$0, %eax
	ret
	.cfi_endproc
.LFE0:
	.size	length, .-length
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
	pushq	%r12
	.cfi_def_cfa_offset 16
	.cfi_offset 12, -16
	pushq	%rbp
	.cfi_def_cfa_offset 24
	.cfi_offset 6, -24
	pushq	%rbx
	.cfi_def_cfa_offset 32
	.cfi_offset 3, -32
	leaq	names(%rip), %rbp
	leaq	40(%rbp), %r12
	movl	$0, %eax
.L7:
	leal	(%rax,%rax,2), %ebx
	movq	0(%rbp), %rdi
	call	length
	addl	%ebx, %eax
	addq	$8, %rbp
	cmpq	%r12, %rbp
	jne	.L7
	popq	%rbx
	.cfi_def_cfa_offset 24
	popq	%rbp
	.cfi_def_cfa_offset 16
	popq	%r12
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
