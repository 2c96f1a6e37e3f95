# Reads standard input in pieces until it ends, counts lines and bytes.
# stdin: "one\ntwo\nthree\nfour\n"
# stdout: ""
# status: 23
.intel_syntax noprefix
.set READ, 0
.set EXIT, 60
BUFSIZE = 8
.bss
buffer: .space BUFSIZE
.text
.globl _start
_start:
    xor     r12d, r12d          # lines
    xor     r13d, r13d          # bytes
.Lread:
    mov     eax, READ
    xor     edi, edi
    lea     rsi, buffer[rip]
    mov     edx, BUFSIZE
    syscall
    test    rax, rax
    jle     .Lend
    add     r13, rax
    xor     ecx, ecx
.Lscan:
    cmp     BYTE PTR [rsi+rcx], '\n'
    jne     .Lno
    inc     r12d
.Lno:
    inc     rcx
    cmp     rcx, rax
    jb      .Lscan
    jmp     .Lread
.Lend:
    lea     rdi, [r12+r13]      # 4 + 19
    mov     eax, EXIT
    syscall
