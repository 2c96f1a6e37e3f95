# GNU as needs no .extern: what is called and not defined lies elsewhere.
# libc: yes
# stdout: "7 x 6 = 42\n"
# returns: 0
.intel_syntax noprefix
.section .rodata
format: .string "%d x %d = %d\n"
.text
.globl main
main:
    sub rsp, 8
    mov edi, OFFSET FLAT:format
    mov esi, 7
    mov edx, 6
    mov ecx, 42
    xor eax, eax
    call printf
    xor eax, eax
    add rsp, 8
    ret
