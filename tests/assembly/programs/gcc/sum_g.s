# sum.c, as gcc 12 compiles it with -O1 -g0 -masm=intel -fverbose-asm
# stdout: ""
# status: 31
	.file	"sum.c"
	.intel_syntax noprefix
# GNU C17 (Debian 12.2.0-14+deb12u1) version 12.2.0 (x86_64-linux-gnu)
#	compiled by GNU C version 12.2.0, GMP version 6.2.1, MPFR version 4.2.0, MPC version 1.3.1, isl version isl-0.25-GMP

# GGC heuristics: --param ggc-min-expand=100 --param ggc-min-heapsize=131072
# options passed: -masm=intel -mtune=generic -march=x86-64 -g0 -O1 -fasynchronous-unwind-tables
	.text
	.globl	sum
	.type	sum, @function
sum:
.LFB0:
	.cfi_startproc
# sum.c:2: long sum(const long *v, int n) { long s = 0; for (int i = 0; i < n; i++) s += v[i]; return s; }
	test	esi, esi	# n
	jle	.L4	#,
	mov	rax, rdi	# ivtmp.7, v
	movsx	rsi, esi	# n, n
	lea	rcx, [rdi+rsi*8]	# _21,
# sum.c:2: long sum(const long *v, int n) { long s = 0; for (int i = 0; i < n; i++) s += v[i]; return s; }
	mov	edx, 0	# <retval>,
.L3:
# sum.c:2: long sum(const long *v, int n) { long s = 0; for (int i = 0; i < n; i++) s += v[i]; return s; }
	add	rdx, QWORD PTR [rax]	# <retval>, MEM[(const long int *)_17]
# sum.c:2: long sum(const long *v, int n) { long s = 0; for (int i = 0; i < n; i++) s += v[i]; return s; }
	add	rax, 8	# ivtmp.7,
	cmp	rax, rcx	# ivtmp.7, _21
	jne	.L3	#,
.L1:
# sum.c:2: long sum(const long *v, int n) { long s = 0; for (int i = 0; i < n; i++) s += v[i]; return s; }
	mov	rax, rdx	#, <retval>
	ret	
.L4:
# sum.c:2: long sum(const long *v, int n) { long s = 0; for (int i = 0; i < n; i++) s += v[i]; return s; }
	mov	edx, 0	# <retval>,
# sum.c:2: long sum(const long *v, int n) { long s = 0; for (int i = 0; i < n; i++) s += v[i]; return s; }
	jmp	.L1	#
	.cfi_endproc
.LFE0:
	.size	sum, .-sum
	.globl	main
	.type	main, @function
main:
.LFB1:
	.cfi_startproc
# sum.c:3: int main(void) { return (int)sum(numbers, sizeof numbers / sizeof *numbers); }
	mov	esi, 8	#,
	lea	rdi, numbers[rip]	# tmp84,
	call	sum	#
# sum.c:3: int main(void) { return (int)sum(numbers, sizeof numbers / sizeof *numbers); }
	ret	
	.cfi_endproc
.LFE1:
	.size	main, .-main
	.globl	numbers
	.data
	.align 32
	.type	numbers, @object
	.size	numbers, 64
numbers:
	.quad	3
	.quad	1
	.quad	4
	.quad	1
	.quad	5
	.quad	9
	.quad	2
	.quad	6
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
