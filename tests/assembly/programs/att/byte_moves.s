# movzbl, movsbq, movabsq, movslq, cltq, cwtl: the family of moves.
# returns: 0
.text
.globl main
main:
    movabsq $0x0011223344556677, %rax
    movb    $-1, %al
    cmpb    $0xff, %al
    jne     1f
    movw    $-1, %ax
    movl    $-1, %eax
    movq    $-1, %rdx
    shrq    $32, %rdx
    cmpq    %rdx, %rax
    jne     1f
    movb    $0xaa, %dl
    movzbl  %dl, %ecx
    cmpl    $170, %ecx
    jne     1f
    movsbq  %dl, %rcx
    cmpq    $-86, %rcx
    jne     1f
    movswl  %cx, %esi
    movslq  %esi, %rsi
    cmpq    %rcx, %rsi
    jne     1f
    movl    $-5, %eax
    cltq
    cmpq    $-5, %rax
    jne     1f
    cwtl
    cltq
    cqto
    cmpq    $-1, %rdx
    jne     1f
    movzwl  %dx, %edx
    xorl    %eax, %eax
    ret
1:  movl    $1, %eax
    ret
