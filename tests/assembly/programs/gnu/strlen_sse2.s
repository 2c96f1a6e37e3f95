# strlen sixteen bytes at a time; unaligned loads, pmovmskb, bsf.
# returns: 37
.intel_syntax noprefix
.data
.balign 16
text:   .string "a text of rather more than 32 letters"
        .fill 16, 1, 0
.text
.globl main
main:
        lea     rdi, text[rip]
        pxor    xmm0, xmm0
        mov     rax, rdi
.Lblock:
        movdqu  xmm1, XMMWORD PTR [rax]
        pcmpeqb xmm1, xmm0
        pmovmskb ecx, xmm1
        test    ecx, ecx
        jnz     .Lfound
        add     rax, 16
        jmp     .Lblock
.Lfound:
        bsf     ecx, ecx
        add     rax, rcx
        sub     rax, rdi
        ret
