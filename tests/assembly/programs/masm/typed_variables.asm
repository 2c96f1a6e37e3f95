; Variables know their size; lengthof, sizeof and type count; data lines go on without a name.
; returns: 158
.data
count   dword   3
values  word    10, 20, 30
text    byte    "more"
        byte    " text", 10, 0
        align   qword
total   qword   ?
half    real8   0.5
bytes   label   byte
        dword   01020304h
.code
main    proc
        xor     ecx, ecx
        mov     total, 0
next:   movzx   rax, values[rcx*2]
        add     total, rax
        inc     rcx
        dec     count
        jnz     short next
        cmp     count, 0
        jne     fail
        mov     rax, total              ; 60
        add     eax, lengthof values    ; 63
        add     eax, sizeof values      ; 69
        add     eax, type values        ; 71
        add     al, text[2]             ; 'r': 185
        sub     al, bytes[3]            ; 184
        sub     eax, 26                 ; 158
        fld     half
        fstp    half
        ret
fail:   xor     eax, eax
        ret
main    endp
end
