mov eax, [rax
mov eax, rax]
mov eax, (1 + 2
mov eax, [rax+[rbx]]
.ascii "never closed
/* nor this
