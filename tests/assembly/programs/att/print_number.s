# Division by ten until nothing is left; digits go backwards into a buffer.
# stdout: "18446744073709551615\n"
# status: 0
.bss
.lcomm buffer, 21
.text
.globl _start
_start:
    movq    $-1, %rax
    leaq    buffer+20(%rip), %rsi
    movb    $'\n', (%rsi)
    movl    $10, %ebx
1:  xorl    %edx, %edx
    divq    %rbx
    addb    $'0', %dl
    decq    %rsi
    movb    %dl, (%rsi)
    testq   %rax, %rax
    jnz     1b
    leaq    buffer+21, %rdx
    subq    %rsi, %rdx
    movl    $1, %eax
    movl    %eax, %edi
    syscall
    movl    $60, %eax
    xorl    %edi, %edi
    syscall
