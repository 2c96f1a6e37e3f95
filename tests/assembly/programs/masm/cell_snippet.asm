; What a student of MASM types into a cell: no sections at all.
; returns: 0x64
mov eax, 32h
mov ecx, 0ah
again: add eax, 5
loop again
ret
