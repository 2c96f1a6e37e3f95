; The classic: rows of stars into a buffer, then one write.
; stdout: "*\n**\n***\n****\n*****\n******\n*******\n********\n"
; status: 0
; warns: 17 ASM083, 24 ASM083
        global    _start
        section   .text
_start:
        mov       rdx, output           ; address of the next byte
        mov       r8, 1                 ; length of the row
        mov       r9, 0                 ; stars in this row so far
line:
        mov       byte [rdx], '*'
        inc       rdx
        inc       r9
        cmp       r9, r8
        jne       line
lineDone:
        mov       byte [rdx], 10
        inc       rdx
        inc       r8
        mov       r9, 0
        cmp       r8, maxlines
        jng       line
done:
        mov       rax, 1
        mov       rdi, 1
        mov       rsi, output
        mov       rdx, dataSize
        syscall
        mov       rax, 60
        xor       rdi, rdi
        syscall

          section   .bss
maxlines  equ       8
dataSize  equ       44
output:   resb      dataSize
