; Every slip is marked where somebody wrote it.
%define LIMIT 5.5
%macro load 2
    mov %1, %2
    mvo %1, 0
%endmacro
%macro both 2
    load %1, %2
    load %2, rbx
%endmacro
section .text
    both eax, ecx
    mov rdx, LIMIT
%rep 2
twice:
%endrep
    mov esi, \
        rdi
    ret
