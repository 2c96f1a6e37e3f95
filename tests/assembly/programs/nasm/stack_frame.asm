; Arguments on the stack, a frame pointer, locals below it.
; returns: 30
%define x   [rbp+16]
%define y   [rbp+24]
%define tmp qword [rbp-8]
section .text
global main
add_squares:
    push    rbp
    mov     rbp, rsp
    sub     rsp, 16
    mov     rax, x
    imul    rax, rax
    mov     tmp, rax
    mov     rax, y
    imul    rax, rax
    add     rax, tmp
    leave
    ret     16
main:
    push    qword 5
    push    byte 1
    call    add_squares         ; 26
    add     rax, 4
    ret
