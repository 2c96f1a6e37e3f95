# Hello in AT&T syntax.
# stdout: "Hello, world\n"
# status: 0
        .global _start
        .text
_start:
        mov     $1, %rax                # write
        mov     $1, %rdi                # to stdout
        mov     $message, %rsi
        mov     $13, %rdx
        syscall
        mov     $60, %rax
        xor     %rdi, %rdi
        syscall
message:
        .ascii  "Hello, world\n"
