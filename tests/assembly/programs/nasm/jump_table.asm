; A switch statement: a table of addresses and an indirect jump.
; stdout: "zero\none\ntwo\nother\n"
; status: 0
section .data
table:  dq case0, case1, case2
zero    db "zero", 10
zero_n  equ $ - zero
one     db "one", 10
one_n   equ $ - one
two     db "two", 10
two_n   equ $ - two
other   db "other", 10
other_n equ $ - other
section .text
global _start
_start:
        xor     rbx, rbx
next:   mov     rdi, rbx
        call    say
        inc     rbx
        cmp     rbx, 4
        jne     next
        mov     eax, 60
        xor     edi, edi
        syscall
say:
        cmp     rdi, 2
        ja      otherwise
        jmp     [table + rdi*8]
case0:  mov     rsi, zero
        mov     edx, zero_n
        jmp     print
case1:  mov     rsi, one
        mov     edx, one_n
        jmp     print
case2:  mov     rsi, two
        mov     edx, two_n
        jmp     print
otherwise:
        mov     rsi, other
        mov     edx, other_n
print:  mov     eax, 1
        mov     edi, 1
        syscall
        ret
