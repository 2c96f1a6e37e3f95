; name[reg*scale], [name+reg], [name]+4: all mean memory.
; returns: 15
.data
table   dd      1, 2, 4, 8
.code
main proc
        mov     ecx, 3
        mov     eax, table[rcx*4]
        add     eax, [table]+8
        add     eax, [table+4]
        add     eax, [table]
        ret
main endp
end
