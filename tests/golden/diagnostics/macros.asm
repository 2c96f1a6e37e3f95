%macro swap 2
    push %1
    mov  %1, %2
    pop  %2, 1
%endmacro
    swap rax, rbx
    swap rax
.rept 3
    nop
