# .ascii, .asciz, .string with several texts and escapes.
# stdout: "tab\tquote\" back\\ octal A hex Z\nnext"
# status: 6
.intel_syntax noprefix
.data
text:   .ascii "tab\tquote\" back\\ "
        .ascii "octal \101 hex \x5a\n"
end:
two:    .string "ne", "xt"
        .asciz ""
.text
.global _start
_start:
        mov     rax, 1
        mov     rdi, 1
        mov     rsi, offset text
        mov     rdx, offset end - text
        syscall
        mov     rax, 1
        lea     rsi, two[rip]
        mov     rdx, 2
        syscall
        mov     rax, 1
        lea     rsi, two[rip+3]
        mov     rdx, 2
        syscall
        mov     eax, 60
        mov     edi, 6
        syscall
