; Addresses the CPU cannot form.
    mov rax, [rsp*2]
    mov rax, [rax+rbx+rcx]
    lea rdx, [rdi-rsi]
    mov ecx, [rdi + rsi*3 + 4]
    mov eax, [ebx+rcx]
    mov rax, [rip+rbx]
    mov al, [bx]
