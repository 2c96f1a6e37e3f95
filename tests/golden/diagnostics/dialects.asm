; Nothing says which assembler this is for.
    mov rsi, msg
    mov eax, 2 + 4 & 1
    mov ebx, 1.5
    ret
msg: .asciz "hi"
