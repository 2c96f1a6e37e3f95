; and, or, shl, shr, mod, not in constant expressions.
; returns: 0
MASK1   equ 0F0h or 00Fh
MASK2   equ (0FFh and 3Ch) shl 4
LEFT    equ 17 mod 5
.code
main proc
        mov     eax, MASK1
        sub     eax, 255
        mov     ecx, MASK2
        sub     ecx, 960
        or      eax, ecx
        mov     ecx, LEFT
        sub     ecx, 2
        or      eax, ecx
        ret
main endp
end
