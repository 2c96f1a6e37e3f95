; 128-bit addition with carry; mul gives 128 bits too.
; returns: 4
section .data
x:  dq 0xffffffffffffffff, 1
y:  dq 1, 1
section .bss
z:  resq 2
section .text
global main
main:
    mov rax, [x]
    mov rdx, [x+8]
    add rax, [y]
    adc rdx, [y+8]
    mov [z], rax
    mov [z+8], rdx
    cmp qword [z], 0
    jne .bad
    cmp qword [z+8], 3
    jne .bad
    mov rax, 1 << 63
    mov ecx, 4
    mul rcx
    add rax, [z+8]
    inc rax
    cmp rdx, 2
    jne .bad
    ret
.bad:
    mov rax, -1
    ret
