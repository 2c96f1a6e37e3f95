# Variables called str, in, out, not and loop.
# returns: 111
        .data
str:    .asciz  "ab"
in:     .short  5
out:    .long   -3
not:    .double 9.0
loop:   .byte   0
        .text
        .globl  main
main:   xorl    %eax, %eax
        movzbl  str(%rax), %ecx         # 97
        movzwl  in(%rip), %edx          # 5
        addl    %edx, %ecx
        movslq  out(%rax), %rdx         # -3
        addl    %edx, %ecx
        fldl    not(%rip)
        fistpll not(%rip)
        addl    not(%rip), %ecx         # 9
        addl    $3, %ecx
        movb    %cl, loop(%rip)
        movzbl  loop, %eax
        ret
