; Reverses what was read from standard input.
; stdin: "stressed"
; stdout: "desserts\n"
; status: 8
%assign SIZE 64
section .bss
    input:  resb SIZE
    output: resb SIZE
section .text
    global _start
_start:
    ; n = read(0, input, SIZE)
    xor eax, eax
    xor edi, edi
    mov rsi, input
    mov edx, SIZE
    syscall
    mov r15, rax
    ; copy backwards
    lea rsi, [input + rax - 1]
    mov rdi, output
    mov rcx, rax
copy:
    mov al, [rsi]
    mov [rdi], al
    dec rsi
    inc rdi
    loop copy
    mov byte [rdi], 0x0a
    ; write(1, output, n + 1)
    mov eax, 1
    mov edi, 1
    mov rsi, output
    lea rdx, [r15 + 1]
    syscall
    mov rdi, r15
    mov eax, 60
    syscall
