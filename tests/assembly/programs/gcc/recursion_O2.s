# recursion.c, as gcc 12 compiles it with -O2 -masm=intel
# stdout: ""
# status: 145
	.file	"recursion.c"
	.intel_syntax noprefix
	.text
	.p2align 4
	.globl	ack
	.type	ack, @function
ack:
.LFB0:
	.cfi_startproc
	test	edi, edi
	je	.L177
	push	r15
	.cfi_def_cfa_offset 16
	.cfi_offset 15, -16
	push	r14
	.cfi_def_cfa_offset 24
	.cfi_offset 14, -24
	mov	r14d, edi
	push	r13
	.cfi_def_cfa_offset 32
	.cfi_offset 13, -32
	push	r12
	.cfi_def_cfa_offset 40
	.cfi_offset 12, -40
	push	rbp
	.cfi_def_cfa_offset 48
	.cfi_offset 6, -48
	push	rbx
	.cfi_def_cfa_offset 56
	.cfi_offset 3, -56
	sub	rsp, 24
	.cfi_def_cfa_offset 80
	test	esi, esi
	jne	.L174
	lea	r9d, -1[r14]
	mov	esi, 1
	test	r9d, r9d
	je	.L2
.L187:
	test	esi, esi
	jne	.L59
	mov	esi, 1
	sub	r14d, 2
	je	.L2
.L174:
	sub	esi, 1
	test	esi, esi
	jne	.L178
	lea	r9d, -1[r14]
	mov	eax, 1
	mov	ebx, r9d
	test	r9d, r9d
	je	.L7
.L8:
	mov	r8d, ebx
	cmp	eax, 1
	jne	.L179
.L10:
	mov	eax, 1
	sub	ebx, 1
	je	.L14
	.p2align 4,,10
	.p2align 3
.L15:
	mov	ecx, ebx
	cmp	eax, 1
	jne	.L180
.L17:
	mov	eax, 1
	sub	ebx, 1
	je	.L21
	.p2align 4,,10
	.p2align 3
.L22:
	mov	edx, ebx
	cmp	eax, 1
	jne	.L181
.L24:
	mov	eax, 1
	sub	ebx, 1
	je	.L28
	.p2align 4,,10
	.p2align 3
.L29:
	mov	r15d, ebx
	cmp	eax, 1
	jne	.L182
.L31:
	mov	eax, 1
	sub	ebx, 1
	je	.L35
	.p2align 4,,10
	.p2align 3
.L36:
	mov	r13d, ebx
	cmp	eax, 1
	jne	.L183
.L38:
	mov	eax, 1
	sub	ebx, 1
	je	.L42
.L77:
	mov	r12d, ebx
.L45:
	mov	eax, 1
	sub	ebx, 1
	je	.L49
.L170:
	mov	ebp, ebx
.L175:
	sub	eax, 1
	mov	edi, ebp
	sub	ebp, 1
	test	eax, eax
	je	.L79
.L185:
	lea	esi, -1[rax]
	mov	DWORD PTR 12[rsp], r9d
	mov	DWORD PTR 8[rsp], edx
	mov	DWORD PTR 4[rsp], r8d
	mov	DWORD PTR [rsp], ecx
	call	ack
	mov	ecx, DWORD PTR [rsp]
	mov	r8d, DWORD PTR 4[rsp]
	mov	edx, DWORD PTR 8[rsp]
	mov	r9d, DWORD PTR 12[rsp]
	test	ebp, ebp
	jne	.L54
	.p2align 4,,10
	.p2align 3
.L186:
	mov	ebp, ebx
	add	eax, 1
	sub	ebp, 1
	je	.L49
	test	eax, eax
	jne	.L184
	mov	eax, 1
	sub	ebx, 2
	jne	.L170
.L49:
	mov	ebx, r12d
	add	eax, 1
	sub	ebx, 1
	je	.L42
	test	eax, eax
	jne	.L43
	mov	ebx, r12d
	mov	eax, 1
	sub	ebx, 2
	je	.L42
.L43:
	cmp	eax, 1
	je	.L77
	mov	ebp, ebx
	sub	eax, 2
	mov	r12d, ebx
	.p2align 4,,10
	.p2align 3
.L54:
	mov	edi, ebp
	sub	ebp, 1
	test	eax, eax
	jne	.L185
.L79:
	mov	eax, 1
	test	ebp, ebp
	jne	.L54
	jmp	.L186
	.p2align 4,,10
	.p2align 3
.L42:
	mov	ebx, r13d
	add	eax, 1
	sub	ebx, 1
	je	.L35
	test	eax, eax
	jne	.L36
	mov	ebx, r13d
	mov	eax, 1
	sub	ebx, 2
	jne	.L36
.L35:
	mov	ebx, r15d
	add	eax, 1
	sub	ebx, 1
	je	.L28
	test	eax, eax
	jne	.L29
	mov	ebx, r15d
	mov	eax, 1
	sub	ebx, 2
	jne	.L29
.L28:
	mov	ebx, edx
	add	eax, 1
	sub	ebx, 1
	je	.L21
	test	eax, eax
	jne	.L22
	sub	edx, 2
	mov	eax, 1
	mov	ebx, edx
	jne	.L22
.L21:
	mov	ebx, ecx
	add	eax, 1
	sub	ebx, 1
	je	.L14
	test	eax, eax
	jne	.L15
	sub	ecx, 2
	mov	eax, 1
	mov	ebx, ecx
	jne	.L15
.L14:
	mov	ebx, r8d
	add	eax, 1
	sub	ebx, 1
	je	.L7
	test	eax, eax
	jne	.L8
	mov	ebx, r8d
	mov	eax, 1
	sub	ebx, 2
	jne	.L8
.L7:
	lea	esi, 1[rax]
	test	r9d, r9d
	jne	.L187
.L2:
	add	rsp, 24
	.cfi_remember_state
	.cfi_def_cfa_offset 56
	lea	eax, 1[rsi]
	pop	rbx
	.cfi_def_cfa_offset 48
	pop	rbp
	.cfi_def_cfa_offset 40
	pop	r12
	.cfi_def_cfa_offset 32
	pop	r13
	.cfi_def_cfa_offset 24
	pop	r14
	.cfi_def_cfa_offset 16
	pop	r15
	.cfi_def_cfa_offset 8
	ret
	.p2align 4,,10
	.p2align 3
.L183:
	.cfi_restore_state
	sub	eax, 2
.L48:
	mov	r12d, ebx
	test	eax, eax
	je	.L45
	jmp	.L170
	.p2align 4,,10
	.p2align 3
.L182:
	sub	eax, 2
.L41:
	mov	r13d, ebx
	test	eax, eax
	je	.L38
	sub	eax, 1
	jmp	.L48
	.p2align 4,,10
	.p2align 3
.L181:
	sub	eax, 2
.L34:
	mov	r15d, ebx
	test	eax, eax
	je	.L31
	sub	eax, 1
	jmp	.L41
	.p2align 4,,10
	.p2align 3
.L180:
	sub	eax, 2
.L27:
	mov	edx, ebx
	test	eax, eax
	je	.L24
	sub	eax, 1
	jmp	.L34
	.p2align 4,,10
	.p2align 3
.L178:
	cmp	esi, 1
	jne	.L188
	mov	r8d, r14d
	mov	ebx, r14d
	lea	r9d, -1[r14]
	jmp	.L10
	.p2align 4,,10
	.p2align 3
.L179:
	sub	eax, 2
.L20:
	mov	ecx, ebx
	test	eax, eax
	je	.L17
	sub	eax, 1
	jmp	.L27
	.p2align 4,,10
	.p2align 3
.L177:
	.cfi_def_cfa_offset 8
	.cfi_restore 3
	.cfi_restore 6
	.cfi_restore 12
	.cfi_restore 13
	.cfi_restore 14
	.cfi_restore 15
	lea	eax, 1[rsi]
	ret
.L59:
	.cfi_def_cfa_offset 80
	.cfi_offset 3, -56
	.cfi_offset 6, -48
	.cfi_offset 12, -40
	.cfi_offset 13, -32
	.cfi_offset 14, -24
	.cfi_offset 15, -16
	mov	r14d, r9d
	jmp	.L174
.L184:
	mov	ebx, ebp
	jmp	.L175
.L188:
	lea	eax, -2[rsi]
	mov	r8d, r14d
	lea	r9d, -1[r14]
	mov	ebx, r14d
	jmp	.L20
	.cfi_endproc
.LFE0:
	.size	ack, .-ack
	.p2align 4
	.globl	fib
	.type	fib, @function
fib:
.LFB1:
	.cfi_startproc
	push	r15
	.cfi_def_cfa_offset 16
	.cfi_offset 15, -16
	mov	r15d, edi
	push	r14
	.cfi_def_cfa_offset 24
	.cfi_offset 14, -24
	push	r13
	.cfi_def_cfa_offset 32
	.cfi_offset 13, -32
	push	r12
	.cfi_def_cfa_offset 40
	.cfi_offset 12, -40
	push	rbp
	.cfi_def_cfa_offset 48
	.cfi_offset 6, -48
	push	rbx
	.cfi_def_cfa_offset 56
	.cfi_offset 3, -56
	sub	rsp, 104
	.cfi_def_cfa_offset 160
	cmp	edi, 1
	jle	.L190
	lea	edx, -1[rdi]
	mov	r13d, edi
	xor	ebx, ebx
	mov	eax, edx
	and	eax, -2
	sub	r13d, eax
	mov	eax, edx
	mov	r12d, r13d
	cmp	r15d, r12d
	je	.L191
.L233:
	sub	r15d, 2
	mov	ebp, eax
	mov	DWORD PTR 32[rsp], ebx
	xor	r13d, r13d
	mov	edx, r15d
	mov	DWORD PTR 36[rsp], r12d
	mov	r14d, r15d
	and	edx, -2
	sub	ebp, edx
	mov	r12d, ebp
.L214:
	lea	ecx, -1[rax]
	mov	edi, ecx
	cmp	eax, r12d
	je	.L192
.L232:
	lea	esi, -2[rax]
	mov	edx, ecx
	mov	DWORD PTR 40[rsp], r13d
	xor	ebx, ebx
	mov	eax, esi
	mov	DWORD PTR 44[rsp], r12d
	mov	r15d, r14d
	mov	r8d, esi
	and	eax, -2
	mov	r14d, ebx
	sub	edx, eax
	mov	DWORD PTR 64[rsp], edx
.L212:
	mov	edx, DWORD PTR 64[rsp]
	lea	ecx, -1[rdi]
	mov	eax, ecx
	cmp	edi, edx
	je	.L193
	lea	ecx, -2[rdi]
	mov	esi, eax
	xor	ebx, ebx
	mov	edi, ecx
	mov	DWORD PTR 48[rsp], ecx
	and	edi, -2
	sub	esi, edi
	mov	DWORD PTR 60[rsp], esi
	mov	esi, r15d
	mov	r15d, ebx
	mov	ebx, esi
.L210:
	lea	r9d, -1[rax]
	mov	r10d, r9d
	cmp	DWORD PTR 60[rsp], eax
	je	.L194
	lea	r9d, -2[rax]
	mov	r13d, r10d
	xor	r12d, r12d
	mov	DWORD PTR 52[rsp], r8d
	mov	eax, r9d
	mov	DWORD PTR 56[rsp], r9d
	mov	esi, r15d
	mov	r8d, r14d
	and	eax, -2
	mov	r15d, r10d
	mov	r14d, r12d
	sub	r13d, eax
	mov	ebp, r13d
.L208:
	lea	r11d, -1[r15]
	mov	eax, r11d
	cmp	ebp, r15d
	je	.L195
	sub	r15d, 2
	mov	ecx, r11d
	xor	r12d, r12d
	mov	r10d, r8d
	mov	edi, r15d
	mov	r13d, esi
	and	edi, -2
	sub	ecx, edi
	mov	DWORD PTR 16[rsp], ecx
.L206:
	mov	edx, DWORD PTR 16[rsp]
	lea	edi, -1[rax]
	mov	ecx, edi
	cmp	eax, edx
	je	.L196
	lea	r11d, -2[rax]
	lea	edi, -3[rax]
	mov	edx, ecx
	xor	esi, esi
	mov	eax, r11d
	and	eax, -2
	sub	edx, eax
	mov	DWORD PTR 28[rsp], edx
.L204:
	mov	edx, DWORD PTR 28[rsp]
	lea	eax, -1[rcx]
	mov	r8d, eax
	cmp	ecx, edx
	je	.L197
	mov	eax, edi
	mov	edx, r8d
	mov	DWORD PTR 20[rsp], ecx
	and	eax, -2
	mov	DWORD PTR 24[rsp], r15d
	mov	r15d, ebx
	mov	ebx, edi
	sub	edx, eax
	mov	DWORD PTR 12[rsp], edx
	xor	edx, edx
.L202:
	mov	eax, DWORD PTR 12[rsp]
	lea	r9d, -1[r8]
	cmp	r8d, eax
	je	.L198
	xor	ecx, ecx
.L199:
	lea	edi, -1[r9]
	mov	DWORD PTR 92[rsp], r11d
	mov	DWORD PTR 88[rsp], ecx
	mov	DWORD PTR 84[rsp], edx
	mov	DWORD PTR 80[rsp], r8d
	mov	DWORD PTR 76[rsp], esi
	mov	DWORD PTR 72[rsp], r10d
	mov	DWORD PTR 68[rsp], r9d
	call	fib
	mov	r9d, DWORD PTR 68[rsp]
	mov	ecx, DWORD PTR 88[rsp]
	mov	r10d, DWORD PTR 72[rsp]
	mov	esi, DWORD PTR 76[rsp]
	sub	r9d, 2
	add	ecx, eax
	mov	r8d, DWORD PTR 80[rsp]
	mov	edx, DWORD PTR 84[rsp]
	cmp	r9d, 1
	mov	r11d, DWORD PTR 92[rsp]
	jg	.L199
	lea	edi, -3[r8]
	sub	r8d, 2
	and	edi, 1
	add	edi, ecx
	add	edx, edi
	cmp	r8d, 1
	jg	.L202
	mov	edi, ebx
	mov	ecx, DWORD PTR 20[rsp]
	mov	ebx, r15d
	mov	r15d, DWORD PTR 24[rsp]
.L201:
	add	r8d, edx
	sub	ecx, 2
	sub	edi, 2
	add	esi, r8d
	cmp	ecx, 1
	jg	.L204
	add	ecx, esi
	mov	eax, r11d
	add	r12d, ecx
	cmp	r11d, 1
	jg	.L206
.L230:
	mov	r8d, r10d
	mov	esi, r13d
.L205:
	add	eax, r12d
	add	r14d, eax
	cmp	r15d, 1
	jg	.L208
	mov	r12d, r14d
	mov	r9d, DWORD PTR 56[rsp]
	mov	r14d, r8d
	mov	r8d, DWORD PTR 52[rsp]
	mov	r10d, r15d
	mov	r15d, esi
.L207:
	add	r10d, r12d
	mov	eax, r9d
	add	r15d, r10d
	cmp	r9d, 1
	jg	.L210
	mov	esi, ebx
	mov	ecx, DWORD PTR 48[rsp]
	mov	ebx, r15d
	mov	r15d, esi
.L209:
	add	ebx, eax
	mov	edi, ecx
	add	r14d, ebx
	cmp	ecx, 1
	jg	.L212
	mov	ebx, r14d
	mov	r13d, DWORD PTR 40[rsp]
	mov	esi, r8d
	mov	r12d, DWORD PTR 44[rsp]
	add	ebx, edi
	mov	r14d, r15d
	mov	eax, esi
	add	r13d, ebx
	cmp	esi, 1
	jg	.L214
.L231:
	mov	ebx, DWORD PTR 32[rsp]
	add	eax, r13d
	mov	r15d, r14d
	mov	r12d, DWORD PTR 36[rsp]
	add	ebx, eax
	cmp	r15d, 1
	jg	.L229
.L226:
	add	r15d, ebx
	jmp	.L190
	.p2align 4,,10
	.p2align 3
.L196:
	mov	r8d, r10d
	mov	esi, r13d
	sub	eax, 2
	add	r12d, edi
	jmp	.L205
	.p2align 4,,10
	.p2align 3
.L197:
	add	esi, eax
	sub	ecx, 2
	mov	eax, r11d
	add	ecx, esi
	add	r12d, ecx
	cmp	r11d, 1
	jg	.L206
	jmp	.L230
	.p2align 4,,10
	.p2align 3
.L198:
	mov	edi, ebx
	mov	ecx, DWORD PTR 20[rsp]
	mov	ebx, r15d
	sub	r8d, 2
	mov	r15d, DWORD PTR 24[rsp]
	add	edx, r9d
	jmp	.L201
.L195:
	mov	r10d, r15d
	mov	r12d, r14d
	mov	r9d, DWORD PTR 56[rsp]
	mov	r14d, r8d
	mov	r15d, esi
	mov	r8d, DWORD PTR 52[rsp]
	sub	r10d, 2
	add	r12d, r11d
	jmp	.L207
.L194:
	mov	edx, ebx
	mov	ebx, r15d
	mov	ecx, DWORD PTR 48[rsp]
	sub	eax, 2
	mov	r15d, edx
	add	ebx, r9d
	jmp	.L209
.L193:
	mov	ebx, r14d
	mov	r13d, DWORD PTR 40[rsp]
	sub	edi, 2
	mov	esi, r8d
	add	ebx, ecx
	mov	r12d, DWORD PTR 44[rsp]
	mov	r14d, r15d
	mov	eax, esi
	add	ebx, edi
	add	r13d, ebx
	cmp	esi, 1
	jle	.L231
	lea	ecx, -1[rax]
	mov	edi, ecx
	cmp	eax, r12d
	jne	.L232
.L192:
	mov	ebx, DWORD PTR 32[rsp]
	sub	eax, 2
	add	r13d, ecx
	mov	r15d, r14d
	add	eax, r13d
	mov	r12d, DWORD PTR 36[rsp]
	add	ebx, eax
	cmp	r15d, 1
	jle	.L226
.L229:
	lea	edx, -1[r15]
	mov	eax, edx
	cmp	r15d, r12d
	jne	.L233
.L191:
	add	edx, ebx
	lea	r15d, -2[r15+rdx]
.L190:
	add	rsp, 104
	.cfi_def_cfa_offset 56
	mov	eax, r15d
	pop	rbx
	.cfi_def_cfa_offset 48
	pop	rbp
	.cfi_def_cfa_offset 40
	pop	r12
	.cfi_def_cfa_offset 32
	pop	r13
	.cfi_def_cfa_offset 24
	pop	r14
	.cfi_def_cfa_offset 16
	pop	r15
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
.LFE1:
	.size	fib, .-fib
	.section	.text.startup,"ax",@progbits
	.p2align 4
	.globl	main
	.type	main, @function
main:
.LFB2:
	.cfi_startproc
	push	rbx
	.cfi_def_cfa_offset 16
	.cfi_offset 3, -16
	mov	esi, 3
	mov	edi, 2
	call	ack
	mov	edi, 10
	mov	ebx, eax
	call	fib
	lea	edx, [rbx+rbx*4]
	pop	rbx
	.cfi_def_cfa_offset 8
	lea	eax, [rax+rdx*2]
	ret
	.cfi_endproc
.LFE2:
	.size	main, .-main
	.ident	"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
	.section	.note.GNU-stack,"",@progbits
