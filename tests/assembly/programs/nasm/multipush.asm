; The classic pair of macros that push and pop any number of registers.
; returns: 6
%macro multipush 1-*
  %rep %0
        push    %1
  %rotate 1
  %endrep
%endmacro
%macro multipop 1-*
  %rep %0
  %rotate -1
        pop     %1
  %endrep
%endmacro
section .text
global main
main:   mov     eax, 1
        mov     ecx, 2
        mov     edx, 3
        multipush rax, rcx, rdx
        xor     eax, eax
        mov     ecx, eax
        cdq
        multipop rax, rcx, rdx
        add     eax, ecx
        add     eax, edx
        ret
