; %define with parameters, %xdefine, %undef, and definitions that use others.
; returns: 73
%define ARRAY_SIZE 4
%define LAST (ARRAY_SIZE - 1)
%define element(base, index) [base + 8*(index)]
%define square(x) ((x)*(x))
%define COUNTER ecx
%xdefine BEFORE ARRAY_SIZE
%undef ARRAY_SIZE
%define ARRAY_SIZE 100

default rel
section .data
values: dq 10, 20, 30, 40
section .text
global main
main:
    lea     rbx, [values]
    mov     rax, element(rbx, LAST - 97 + 0)    ; index 2 by now: LAST is 99
    mov     COUNTER, square(3 + 2)              ; 25
    add     rax, element(rbx, 0)                ; 40
    add     rax, rcx                            ; 65
    add     rax, 2*BEFORE                       ; 73
    ret
