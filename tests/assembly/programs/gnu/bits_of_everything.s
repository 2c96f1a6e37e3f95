# Bit manipulation with BMI and friends.
# returns: 0
.intel_syntax noprefix
.text
.globl main
main:
    mov     eax, 0b101100
    blsr    ecx, eax
    cmp     ecx, 0b101000
    jne     1f
    blsi    ecx, eax
    cmp     ecx, 4
    jne     1f
    tzcnt   ecx, eax
    cmp     ecx, 2
    jne     1f
    lzcnt   ecx, eax
    cmp     ecx, 26
    jne     1f
    andn    ecx, eax, eax
    test    ecx, ecx
    jnz     1f
    mov     ecx, 0x0203
    bextr   edx, eax, ecx
    cmp     edx, 0b01
    jne     1f
    mov     ecx, 0xff00ff
    pext    edx, eax, ecx
    cmp     edx, 0x2c
    jne     1f
    xor     eax, eax
    ret
1:  mov     eax, 1
    ret
