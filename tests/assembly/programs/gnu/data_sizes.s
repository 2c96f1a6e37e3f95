# All widths of data, and reading each back with the right extension.
# returns: 0
.intel_syntax noprefix
.data
b:  .byte   0x80, 'A', 'B', 0b1010, 017
w:  .word   0x8000
s:  .short  -2
h:  .hword  3
l:  .long   0x80000000
i:  .int    -4
q:  .quad   0x8000000000000000
o:  .octa   0x0123456789abcdef0123456789abcdef
f:  .float  1.5, -0.25, 1e10
d:  .double 2.5
p:  .quad   b + 1, w - b
.text
.globl main
main:
    movsx   rax, BYTE PTR b[rip]
    cmp     rax, -128
    jne     bad
    movzx   eax, WORD PTR w[rip]
    cmp     eax, 0x8000
    jne     bad
    movsx   eax, WORD PTR s[rip]
    cmp     eax, -2
    jne     bad
    movsxd  rax, DWORD PTR l[rip]
    cmp     rax, -2147483648
    jne     bad
    mov     rax, QWORD PTR q[rip]
    shl     rax
    jnc     bad
    mov     rax, QWORD PTR o[rip+8]
    cmp     al, 0xef
    jne     bad
    mov     rax, p[rip]
    cmp     BYTE PTR [rax], 65
    jne     bad
    cmp     QWORD PTR p[rip+8], 5
    jne     bad
    cmp     BYTE PTR b[rip+4], 15
    jne     bad
    xor     eax, eax
    ret
bad:
    mov     eax, 1
    ret
