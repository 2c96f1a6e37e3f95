# A global array and a counted loop.
# returns: 150
.intel_syntax noprefix
.data
array:  .long 10, 20, 30, 40, 50
        .equ  count, (. - array) / 4
.text
.globl main
main:
        xor     eax, eax
        lea     rsi, [rip + array]
        mov     ecx, count
1:      add     eax, DWORD PTR [rsi]
        add     rsi, 4
        dec     ecx
        jnz     1b
        ret
