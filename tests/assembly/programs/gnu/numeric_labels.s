# The same number again and again; b looks back, f looks ahead.
# returns: 33
.intel_syntax noprefix
.globl main
main:
    xor eax, eax
    mov ecx, 3
1:  inc eax
    loop 1b
    mov ecx, 3
1:  add eax, 10
    jecxz 2f
    loop 1b
    jmp 2f
1:  mov eax, -1
2:  test eax, eax
    js 1b
    jz 1f
    ret
1:  ud2
