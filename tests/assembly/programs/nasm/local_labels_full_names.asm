; The same .loop in two functions, and one reached by its full name.
; returns: 15
global main
section .text
first:
        xor     eax, eax
.loop:  inc     eax
        cmp     eax, 5
        jne     .loop
.done:  ret
second:
        mov     ecx, 5
.loop:  add     eax, 2
        loop    .loop
        jmp     first.done
main:   call    first
        call    second
        ret
