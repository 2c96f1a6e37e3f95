# Macros in AT&T syntax: arguments stand after a backslash.
# stdout: "ab\n"
# status: 2
.macro write text, size
    movq    $1, %rax
    movq    $1, %rdi
    leaq    \text(%rip), %rsi
    movq    $\size, %rdx
    syscall
.endm
.macro finish status=0
    movl    $60, %eax
    movl    $\status, %edi
    syscall
.endm
.data
a: .ascii "a"
b: .ascii "b\n"
.text
.global _start
_start:
    write a, 1
    write b, 2
    finish 2
