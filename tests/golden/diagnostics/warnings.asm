; Nothing here is wrong; all of it is doubtful.
    jmp done
    mov eax, 1
unused:
    mov ebx, 2 ; mov ecx, 3
done:
    mov edx, 4
