; Sums eight floats four at a time, then across.
; returns: 36
        default rel
        section .data
        align   16
floats: dd      1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0
        section .text
        global  main
main:   movaps  xmm0, [floats]
        addps   xmm0, [floats+16]
        movaps  xmm1, xmm0
        shufps  xmm1, xmm1, 01001110b
        addps   xmm0, xmm1
        movaps  xmm1, xmm0
        shufps  xmm1, xmm1, 0b10_11_00_01
        addss   xmm0, xmm1
        cvtss2si eax, xmm0
        ret
