# A 256-byte table made by .rept and symbols, then xlat.
# stdout: "Uryyb, Jbeyq!\n"
# status: 0
.intel_syntax noprefix
.data
table:
.set c, 0
.rept 256
  .if (c >= 'A') && (c <= 'Z')
    .byte 'A' + (c - 'A' + 13) % 26
  .elseif (c >= 'a') && (c <= 'z')
    .byte 'a' + (c - 'a' + 13) % 26
  .else
    .byte c
  .endif
  .set c, c + 1
.endr
text: .ascii "Hello, World!\n"
.equ size, . - text
.text
.globl _start
_start:
    lea rbx, table[rip]
    lea rsi, text[rip]
    mov rdi, rsi
    mov ecx, size
1:  lodsb
    xlatb
    stosb
    loop 1b
    mov eax, 1
    mov edi, 1
    lea rsi, text[rip]
    mov edx, size
    syscall
    mov eax, 60
    xor edi, edi
    syscall
