    mov rax, ebx
    mov [rdi], 5
    add qword ptr [rax], [rbx]
    mov ah, r8b
    mov al, 300
    mov 5, rax
    imul rax
    inc
    shl rax, rbx
    movv rax, 1
