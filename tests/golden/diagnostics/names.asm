start:
    mov rcx, 10
again:
    dec rcx
    jnz agian
    jmp 1f
    mov rxa, 5
    call printf
    mov eax, ffh
again:
    ret
