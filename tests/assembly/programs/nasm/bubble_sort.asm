; Bubble sort of signed dwords in place, then the digits of the result.
; stdout: "-7 -1 0 3 3 8 42 99\n"
; status: 0
section .data
array   dd  42, -7, 3, 99, 0, -1, 8, 3
n       equ ($-array)/4
space   db  ' '
newline db  `\n`

section .bss
buffer  resb 16

section .text
global _start

_start:
        mov     r8d, n - 1              ; passes
.pass:  xor     ecx, ecx
.inner: mov     eax, [array+rcx*4]
        mov     edx, [array+rcx*4+4]
        cmp     eax, edx
        jle     .ordered
        mov     [array+rcx*4], edx
        mov     [array+rcx*4+4], eax
.ordered:
        inc     ecx
        cmp     ecx, r8d
        jb      .inner
        dec     r8d
        jnz     .pass

        xor     ebx, ebx
.print: movsxd  rdi, dword [array+rbx*4]
        call    put_signed
        lea     rsi, [space]
        inc     ebx
        cmp     ebx, n
        jb      .separator
        lea     rsi, [newline]
.separator:
        mov     edx, 1
        call    put
        cmp     ebx, n
        jb      .print
        mov     eax, 60
        xor     edi, edi
        syscall

put:    mov     eax, 1
        mov     edi, 1
        syscall
        ret

put_signed:
        mov     rax, rdi
        lea     rsi, [buffer+16]
        test    rax, rax
        jns     .positive
        neg     rax
.positive:
        mov     ecx, 10
.digit: cqo
        idiv    rcx
        add     edx, '0'
        dec     rsi
        mov     [rsi], dl
        test    rax, rax
        jne     .digit
        test    rdi, rdi
        jns     .out
        dec     rsi
        mov     byte [rsi], '-'
.out:   lea     rdx, [buffer+16]
        sub     rdx, rsi
        jmp     put
