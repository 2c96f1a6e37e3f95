; Shifts each letter of the input by three, and leaves the rest alone.
; stdin: "Attack at Dawn, xyz!\n"
; stdout: "Dwwdfn dw Gdzq, abc!\n"
; status: 0
SHIFT equ 3
section .bss
    buf resb 256
section .text
global _start
_start:
    xor     eax, eax
    xor     edi, edi
    mov     rsi, buf
    mov     edx, 256
    syscall
    mov     r12, rax
    xor     ecx, ecx
.loop:
    cmp     rcx, r12
    jge     .print
    movzx   eax, byte [buf+rcx]
    mov     edx, eax
    or      edx, 0x20
    sub     edx, 'a'
    cmp     edx, 'z'-'a'
    ja      .store
    add     edx, SHIFT
    cmp     edx, 26
    jb      .wrapped
    sub     edx, 26
.wrapped:
    and     eax, 0x20
    lea     eax, [rax + rdx + 'A']
.store:
    mov     [buf+rcx], al
    inc     rcx
    jmp     .loop
.print:
    mov     eax, 1
    mov     edi, 1
    mov     rsi, buf
    mov     rdx, r12
    syscall
    mov     eax, 60
    xor     edi, edi
    syscall
