; Compares strings with repe cmpsb and tells -1, 0 or 1 three times.
; stdout: "<=>\n"
; status: 0
section .data
apple   db "apple", 0
apply   db "apply", 0
size    equ 6
signs   db "<=>"
line    db 0, 0, 0, 10
section .text
global _start
strcmp: mov     ecx, size
        repe    cmpsb
        mov     eax, 0
        je      .done
        mov     eax, -1
        jb      .done
        mov     eax, 1
.done:  ret
_start: mov     rsi, apple
        mov     rdi, apply
        call    strcmp
        movsx   rax, byte [signs + 1 + eax]
        mov     [line], al
        mov     rsi, apple
        mov     rdi, apple
        call    strcmp
        cdqe
        mov     al, [signs + 1 + rax]
        mov     [line+1], al
        mov     rsi, apply
        mov     rdi, apple
        call    strcmp
        cdqe
        mov     al, [signs + 1 + rax]
        mov     [line+2], al
        mov     eax, 1
        mov     edi, 1
        mov     rsi, line
        mov     edx, 4
        syscall
        mov     eax, 60
        xor     edi, edi
        syscall
