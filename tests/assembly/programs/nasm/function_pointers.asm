; A table of functions called in turn; call through memory and register.
; returns: 24
default rel
section .data
align 8
operations:
        dq      add_one
        dq      times_two
        dq      square
operations_end:
section .text
global main
add_one:    lea  rax, [rdi+1]
            ret
times_two:  lea  rax, [rdi+rdi]
            ret
square:     mov  rax, rdi
            imul rax, rax
            ret
main:       push rbx
            push r12
            mov  edi, 1
            lea  rbx, [operations]
            lea  r12, [operations_end]
.each:      call [rbx]              ; 2, 4, 16
            mov  rdi, rax
            add  rbx, 8
            cmp  rbx, r12
            jb   .each
            mov  rax, add_one
            call rax                ; 17
            add  rax, 7
            pop  r12
            pop  rbx
            ret
