; Adds an array of dwords with a scaled index; the sum is the exit status.
; stdout: ""
; status: 55
section .data
numbers:    dd 1, 2, 3, 4, 5
            dd 6, 7, 8, 9, 10
count:      equ ($ - numbers) / 4

section .text
global _start
_start:
    xor     eax, eax
    xor     rcx, rcx
.next:
    add     eax, dword [numbers + rcx*4]
    inc     rcx
    cmp     rcx, count
    jl      .next
    mov     edi, eax
    mov     eax, 60
    syscall
