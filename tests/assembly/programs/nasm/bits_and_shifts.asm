; Counts set bits in three ways, and they agree.
; returns: 39
section .text
global main
main:
        mov     rdi, 0x0123456789abcdef   ; 32 bits set
        popcnt  rax, rdi
        xor     ecx, ecx
        mov     rsi, rdi
.shift: shr     rsi, 1
        adc     ecx, 0
        test    rsi, rsi
        jnz     .shift
        cmp     ecx, eax
        jne     .bad
        xor     ecx, ecx
        mov     rsi, rdi
.kern:  lea     rdx, [rsi-1]
        inc     ecx
        and     rsi, rdx
        jnz     .kern
        cmp     ecx, eax
        jne     .bad
        bsf     rdx, rdi                ; 0
        bsr     rcx, rdi                ; 56
        sub     rcx, 49
        lea     rax, [rax+rdx]
        add     rax, rcx
        ret
.bad:   mov     eax, -1
        ret
