; The x87 stack: an average, rounded to an integer in memory.
; returns: 4
default rel
section .data
a   dd  1.5
b   dd  2.5
c   dq  9.0
three dw 3
result dd 0
section .text
global main
main:
    finit
    fld     dword [a]
    fadd    dword [b]
    fadd    qword [c]
    fidiv   word [three]
    fistp   dword [result]
    mov     eax, [result]
    ret
