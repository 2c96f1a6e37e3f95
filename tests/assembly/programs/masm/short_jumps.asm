; `short`, `near ptr`, @@ labels with @f and @b.
; returns: 10
.code
main proc
        xor     eax, eax
        mov     ecx, 5
@@:     add     eax, 2
        dec     ecx
        jnz     short @b
        jmp     short @f
        int     3
@@:     call    near ptr done
        ret
done:   ret
main endp
end
