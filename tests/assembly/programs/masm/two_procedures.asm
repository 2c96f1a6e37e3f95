; One procedure calls another; uppercase H and radix letters.
; returns: 30
.code
double_it PROC
        lea     rax, [rcx + rcx]
        ret
double_it ENDP

main PROC
        mov     rcx, 0FH
        call    double_it
        cmp     rax, 1EH
        je      fine
        mov     rax, 11111111b
fine:   ret
main ENDP
END
