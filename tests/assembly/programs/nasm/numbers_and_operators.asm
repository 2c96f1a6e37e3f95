; Constant expressions: precedence, shifts, remainders, characters.
; returns: 0
MASK    equ (1 << 4) | 3
SHIFTED equ MASK >> 1
MIXED   equ 2 + 3 * 4 - 10 / 3 % 2
NOTTED  equ ~0 & 0xff
NEGATED equ -(-5)
CHAR    equ 'A' + 1
XORED   equ 0xF0 ^ 0x3C
section .text
global main
main:
        mov     eax, 1
        mov     ecx, MASK
        cmp     ecx, 19
        jne     bad
        cmp     ecx, SHIFTED * 2 + 1
        jne     bad
        mov     ecx, MIXED
        cmp     ecx, 13
        jne     bad
        mov     ecx, NOTTED
        cmp     ecx, 255
        jne     bad
        mov     ecx, NEGATED
        cmp     cl, 5
        jne     bad
        mov     ecx, CHAR
        cmp     cl, 'B'
        jne     bad
        mov     ecx, XORED
        cmp     ecx, 0xCC
        jne     bad
        dec     eax
bad:    ret
