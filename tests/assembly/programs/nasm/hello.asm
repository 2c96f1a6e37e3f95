; The first program of every course: one line of text, then a clean exit.
; stdout: "Hello, world!\n"
; status: 0

        global  _start

        section .text
_start: mov     rax, 1                  ; system call 1 is write
        mov     rdi, 1                  ; descriptor 1 is stdout
        mov     rsi, message            ; where the text lies
        mov     rdx, 14                 ; how many bytes
        syscall
        mov     rax, 60                 ; system call 60 is exit
        xor     rdi, rdi                ; status 0
        syscall

        section .data
message: db     "Hello, world!", 10
