# Doubles and singles: constants from memory, sqrt, conversions, compare.
# returns: 5
.intel_syntax noprefix
.section .rodata
.align 8
three:  .double 3.0
four:   .double 4.0
half:   .float  0.5
tiny:   .single 1e-3
.text
.globl main
main:
    movsd   xmm0, QWORD PTR three[rip]
    mulsd   xmm0, xmm0
    movsd   xmm1, [rip+four]
    mulsd   xmm1, xmm1
    addsd   xmm0, xmm1
    sqrtsd  xmm0, xmm0
    cvtsd2ss xmm0, xmm0
    addss   xmm0, DWORD PTR half[rip]
    comiss  xmm0, DWORD PTR tiny[rip]
    jbe     .Lwrong
    cvttss2si eax, xmm0
    ret
.Lwrong:
    xor     eax, eax
    ret
