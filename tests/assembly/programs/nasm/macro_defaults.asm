; Macros with ranges of parameters, defaults, %0, %rotate and greedy ends.
; returns: 58
%macro sum 1-*
    xor eax, eax
  %rep %0
    add eax, %1
    %rotate 1
  %endrep
%endmacro

%macro bump 0-1 5
    add eax, %1
%endmacro

section .text
global main
main:
    sum 10, 20, 20      ; 50
    bump                ; 55
    bump 3              ; 58
    ret
