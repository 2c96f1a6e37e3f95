; Prints a number in hexadecimal with xlatb and a table.
; stdout: "DEADBEEF\n"
; status: 0
section .data
hexdigits: db "0123456789ABCDEF"
value: dd 0DEADBEEFh
section .bss
out: resb 9
section .text
global _start
_start:
        mov     rbx, hexdigits
        mov     edx, [value]
        mov     rdi, out
        mov     ecx, 8
.nibble:
        rol     edx, 4
        mov     al, dl
        and     al, 0fh
        xlatb
        stosb
        dec     ecx
        jnz     .nibble
        mov     al, 10
        stosb
        mov     eax, 1
        mov     edi, 1
        mov     rsi, out
        mov     edx, 9
        syscall
        mov     eax, 60
        xor     edi, edi
        syscall
