; Local labels may have any name: .zero, .if, .else, .endif, .data, .text, .string, .end.
; status: 21
; warns: 29 ASM083, 32 ASM083
        section .text
        global  _start
classify:
        cmp     rdi, 010                ; ten, as NASM reads it
        jb      .if
        je      .zero
        jmp     .else
.if:    mov     eax, 1
        jmp     .endif
.zero:
        mov     eax, 4
        jmp     .endif
.else
        mov     eax, 16
.endif:
        ret

_start: xor     ebx, ebx
        mov     edi, 9
        call    classify
        add     ebx, eax
        mov     edi, 10
        call    classify
        add     ebx, eax
        mov     edi, 11
.data:  call    classify
        add     ebx, eax
        jmp     .end
.string: ud2
.end
        mov     edi, ebx
        mov     eax, 60
        syscall
