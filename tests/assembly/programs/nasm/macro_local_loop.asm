; Local labels inside a macro that is used twice.
; returns: 110
%macro power_sum 2      ; adds 1..%1 into register %2
    mov     ecx, %1
%%again:
    add     %2, ecx
    dec     ecx
    jnz     %%again
%endmacro

global main
section .text
main:
    xor     eax, eax
    power_sum 10, eax
    power_sum 10, eax
    ret
