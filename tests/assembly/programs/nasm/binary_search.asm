; Binary search in a sorted table of words; returns the index.
; returns: 6
default rel
section .rodata
sorted  dw  2, 3, 5, 7, 11, 13, 17, 19, 23, 29
count   equ ($ - sorted) / 2
section .text
global main
main:
    mov     di, 17
    lea     r8, [sorted]
    xor     eax, eax                ; low
    mov     ecx, count              ; high
.while:
    cmp     eax, ecx
    jae     .missing
    lea     edx, [rax+rcx]
    shr     edx, 1
    cmp     word [r8+rdx*2], di
    je      .found
    jb      .right
    mov     ecx, edx
    jmp     .while
.right:
    lea     eax, [rdx+1]
    jmp     .while
.found:
    mov     eax, edx
    ret
.missing:
    mov     eax, -1
    ret
