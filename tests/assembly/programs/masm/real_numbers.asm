; Floating numbers as data; xmmword ptr.
; returns: 7
.data
align 16
quad4  dd   1.0, 2.0, 3.0, 1.0
one  dq   1.0
.code
main proc
        movaps  xmm0, xmmword ptr [quad4]
        haddps  xmm0, xmm0
        haddps  xmm0, xmm0
        cvtss2sd xmm0, xmm0
        addsd   xmm0, [one]
        subsd   xmm0, qword ptr [one]
        cvttsd2si rax, xmm0
        ret
main endp
end
