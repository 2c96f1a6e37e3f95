; An array summed by index; lengthof by subtraction.
; returns: 0x100
.data
array  dd   10h, 20h, 30h, 40h, 60h
count   EQU     ($ - array) / 4
.code
main PROC
        XOR     EAX, EAX
        XOR     RCX, RCX
        LEA     RDX, array
next:   ADD     EAX, DWORD PTR [RDX + RCX*4]
        INC     RCX
        CMP     RCX, count
        JB      next
        RET
main ENDP
END
