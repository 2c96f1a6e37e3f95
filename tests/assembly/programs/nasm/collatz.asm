; Steps of the Collatz sequence from 27; cmov and test in use.
; returns: 111
section .text
global main
main:   mov     edi, 27
        xor     eax, eax
.step:  cmp     edi, 1
        je      .end
        inc     eax
        lea     ecx, [rdi + rdi*2 + 1]
        mov     edx, edi
        shr     edx, 1
        test    dil, 1
        cmovz   edi, edx
        cmovnz  edi, ecx
        jmp     .step
.end:   ret
