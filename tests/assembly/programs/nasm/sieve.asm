; The primes below 50, by the sieve of Eratosthenes.
; stdout: "2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 \n"
; status: 15
LIMIT   equ 50

section .bss
composite   resb LIMIT
line        resb 256

section .text
global _start
_start:
        mov     ecx, 2
outer:  mov     eax, ecx
        imul    eax, ecx
        cmp     eax, LIMIT
        jae     collect
        cmp     byte [composite + rcx], 0
        jne     skip
mark:   mov     byte [composite + rax], 1
        add     eax, ecx
        cmp     eax, LIMIT
        jb      mark
skip:   inc     ecx
        jmp     outer

collect:
        mov     rdi, line
        mov     ecx, 2
        xor     r12d, r12d
each:   cmp     byte [composite + rcx], 0
        jnz     not_prime
        inc     r12d
        mov     eax, ecx
        mov     bl, 10
        div     bl                      ; al = tens, ah = ones
        or      al, al
        jz      ones
        add     al, '0'
        stosb
ones:   mov     al, ah
        add     al, '0'
        stosb
        mov     al, ' '
        stosb
not_prime:
        inc     ecx
        cmp     ecx, LIMIT
        jne     each
        mov     al, 10
        stosb
        mov     rdx, rdi
        sub     rdx, line
        mov     rsi, line
        mov     edi, 1
        mov     eax, 1
        syscall
        mov     edi, r12d
        mov     eax, 60
        syscall
