; Segments with names, as before `.code`; a constant that is a size; a label with a type.
; returns: 41
_DATA   segment
numbers dd      7, 9, 25
last    equ     $ - numbers
_DATA   ends
_TEXT   segment
        public  main
main    proc    near
        xor     eax, eax
        xor     edx, edx
again:  add     eax, numbers[rdx]
        add     edx, type numbers
        cmp     edx, last
        jb      again
        ret
main    endp
_TEXT   ends
        end
