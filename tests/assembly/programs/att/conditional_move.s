# absdiff with cmov and with setcc; flags from cmp and test.
# returns: 24
.text
.globl main
absdiff:
    movq    %rsi, %rax
    subq    %rdi, %rax
    movq    %rdi, %rdx
    subq    %rsi, %rdx
    cmpq    %rsi, %rdi
    cmovge  %rdx, %rax
    ret
main:
    movq    $5, %rdi
    movq    $17, %rsi
    call    absdiff
    movq    %rax, %rbx
    movq    $17, %rdi
    movq    $5, %rsi
    call    absdiff
    addq    %rbx, %rax
    cmpq    $24, %rax
    sete    %cl
    movzbl  %cl, %ecx
    testl   %ecx, %ecx
    cmovel  %ecx, %eax
    ret
