; byte ptr stores and a string with its zero, copied by hand.
; returns: 5
.data
source  db    "MASM!", 0
.data?
target  db    16 dup(?)
.code
main PROC
        lea     rsi, source
        lea     rdi, target
        xor     eax, eax
copy:   mov     dl, byte ptr [rsi+rax]
        mov     byte ptr [rdi+rax], dl
        inc     eax
        test    dl, dl
        jnz     copy
        dec     eax
        ret
main ENDP
END
