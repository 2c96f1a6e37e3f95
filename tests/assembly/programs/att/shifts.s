# Shifts by constants, by cl, and by one without saying so.
# returns: 0
.text
.globl main
main:
    movl    $1, %eax
    movb    $4, %cl
    sall    %cl, %eax           # 16
    shll    $2, %eax            # 64
    sarl    %eax                # 32
    rorl    $1, %eax            # 16
    movq    $-16, %rdx
    sarq    $2, %rdx            # -4
    shrq    $62, %rdx           # 3
    shldq   $4, %rdx, %rax      # 256
    notl    %edx
    negl    %edx                # 4
    imull   $64, %edx, %edx     # 256
    subl    %edx, %eax
    ret
