; A table of squares made by %rep and %assign.
; returns: 145
section .data
squares:
%assign i 0
%rep 13
    dd i*i
%assign i i+1
%endrep
section .text
global main
main:
    mov ecx, 12
    mov eax, [squares + rcx*4]      ; 144
    add eax, [squares + 4]          ; + 1
    ret
