; Reads a number, doubles it, prints it: atoi and itoa.
; stdin: "1234\n"
; stdout: "2468\n"
; status: 0
section .bss
inbuf:  resb    32
outbuf: resb    32
section .text
global  _start
atoi:                           ; rsi -> digits, rax <- value
        xor     rax, rax
.top:   movzx   rcx, byte [rsi]
        inc     rsi
        cmp     rcx, '0'
        jb      .done
        cmp     rcx, '9'
        ja      .done
        sub     rcx, '0'
        imul    rax, 10
        add     rax, rcx
        jmp     .top
.done:  ret
itoa:                           ; rax value, rdi end of buffer; rsi <- first digit
        mov     rsi, rdi
        mov     rcx, 10
.top:   xor     rdx, rdx
        div     rcx
        add     dl, 48
        dec     rsi
        mov     [rsi], dl
        cmp     rax, 0
        jne     .top
        ret
_start:
        mov     rax, 0
        mov     rdi, 0
        mov     rsi, inbuf
        mov     rdx, 32
        syscall
        call    atoi
        shl     rax, 1
        mov     rdi, outbuf + 31
        mov     byte [rdi], 10
        call    itoa
        mov     rdx, outbuf + 32
        sub     rdx, rsi
        mov     rax, 1
        mov     rdi, 1
        syscall
        mov     rax, 60
        mov     rdi, 0
        syscall
