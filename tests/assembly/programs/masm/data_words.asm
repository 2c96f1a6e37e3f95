; db, dw, dd, dq as data; dup for repetition; `?` for room.
; returns: 0
.data
letter  db      'A', 0
small   dw      1234h
large   dd      0FFFFFFFFh
huge    dq      123456789ABCDEF0h
signed  dd      -1
many    db      8 dup (0EEh)
nested  dw      2 dup (1, 2)
.data?
room    dq      4 dup (?)
.code
main proc
        mov     al, [letter]
        cmp     al, 41h
        jne     wrong
        cmp     word ptr [small], 1234h
        jne     wrong
        mov     eax, [large]
        inc     eax
        jnz     wrong
        cmp     dword ptr [signed], -1
        jne     wrong
        cmp     byte ptr many[7], 0EEh
        jne     wrong
        cmp     word ptr nested[6], 2
        jne     wrong
        mov     rax, [huge]
        mov     room[8], rax
        sub     rax, room[8]
        ret
wrong:  mov     eax, 1
        ret
main endp
end
