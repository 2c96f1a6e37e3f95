# Plain recursion with a frame, as taught before optimisation.
# returns: 89
.intel_syntax noprefix
.text
.global main

fib:
    push rbp
    mov rbp, rsp
    sub rsp, 16
    mov QWORD PTR [rbp-8], rdi
    cmp rdi, 1
    jg  recurse
    mov rax, rdi
    jmp out
recurse:
    dec rdi
    call fib
    mov QWORD PTR [rbp-16], rax
    mov rdi, QWORD PTR [rbp-8]
    sub rdi, 2
    call fib
    add rax, QWORD PTR [rbp-16]
out:
    mov rsp, rbp
    pop rbp
    ret

main:
    mov rdi, 11
    call fib
    ret
