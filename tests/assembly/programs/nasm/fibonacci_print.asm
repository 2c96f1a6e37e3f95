; Prints the first fifteen Fibonacci numbers, one on a line.
; stdout: "0\n1\n1\n2\n3\n5\n8\n13\n21\n34\n55\n89\n144\n233\n377\n"
; status: 0
%define SYS_WRITE 1
%define SYS_EXIT  60
%define STDOUT    1

section .bss
digits: resb 24

section .text
global _start

_start:
    mov     rbx, 15             ; how many
    xor     r12, r12            ; a
    mov     r13, 1              ; b
again:
    mov     rdi, r12
    call    print_number
    lea     rax, [r12 + r13]
    mov     r12, r13
    mov     r13, rax
    dec     rbx
    jnz     again

    mov     rax, SYS_EXIT
    mov     rdi, 0
    syscall

; print_number: rdi, unsigned, and a newline
print_number:
    push    rbx
    mov     rax, rdi
    lea     rsi, [digits + 23]
    mov     byte [rsi], 10
    mov     rbx, 10
.digit:
    xor     rdx, rdx
    div     rbx
    add     dl, '0'
    dec     rsi
    mov     [rsi], dl
    test    rax, rax
    jnz     .digit
    lea     rdx, [digits + 24]
    sub     rdx, rsi
    mov     rax, SYS_WRITE
    mov     rdi, STDOUT
    syscall
    pop     rbx
    ret
