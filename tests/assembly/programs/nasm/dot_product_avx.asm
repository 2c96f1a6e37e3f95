; AVX in three operands, and a horizontal sum.
; returns: 116
default rel
section .data
align 32
v1: dd 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0
v2: times 4 dd 1.0
    dd 2.0, 3.0, 4.0, 5.0
section .text
global main
main:
        vmovaps ymm0, [v1]
        vmulps  ymm0, ymm0, [v2]
        vextractf128 xmm1, ymm0, 1
        vaddps  xmm0, xmm0, xmm1
        vhaddps xmm0, xmm0, xmm0
        vhaddps xmm0, xmm0, xmm0
        vcvttss2si eax, xmm0
        add     eax, 10
        vzeroupper
        ret
