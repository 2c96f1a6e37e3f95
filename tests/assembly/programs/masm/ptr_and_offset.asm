; `dword ptr`, `offset`, and hexadecimal with an h.
; returns: 0x30
.data
value  dd   10h, 20h
.code
main proc
        mov     ecx, offset value
        mov     eax, dword ptr [rcx]
        add     eax, dword ptr [rcx+4]
        ret
main endp
end
