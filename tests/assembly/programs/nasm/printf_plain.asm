; The same in the old, position-dependent style.
; libc: yes
; stdout: "the answer is 42\n"
; status: 0
extern printf
extern exit
section .data
fmt:    db "the answer is %ld", 0Ah, 00h
section .text
global main
main:
    sub  rsp, 8
    mov  rdi, fmt
    mov  rsi, 42
    mov  al, 0
    call printf
    mov  edi, 0
    call exit
