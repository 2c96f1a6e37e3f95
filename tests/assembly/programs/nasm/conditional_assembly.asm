; %if, %ifdef, %elif, %else: what is not chosen is not assembled.
; returns: 64
%define DEBUG
%assign WIDTH 64

global main
section .text
main:
%ifdef DEBUG
    nop
%else
    this is not an instruction
%endif
%ifndef RELEASE
    xor eax, eax
%endif
%if WIDTH == 32
    mov eax, 32
%elif WIDTH == 64
    mov eax, 64
%else
  %error "which width?"
%endif
%if WIDTH > 32 && WIDTH <= 64
    ret
%endif
