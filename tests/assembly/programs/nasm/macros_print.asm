; Multi-line macros with parameters; a macro that uses a macro.
; stdout: "first\nsecond\nthird\n"
; status: 3
%macro write 2
        mov     rax, 1
        mov     rdi, 1
        mov     rsi, %1
        mov     rdx, %2
        syscall
%endmacro

%macro exit 1
        mov     rax, 60
        mov     rdi, %1
        syscall
%endmacro

%macro say 1
        section .data
%%text: db      %1, 10
%%size  equ     $ - %%text
        section .text
        write   %%text, %%size
%endmacro

global _start
section .text
_start:
        say     "first"
        say     "second"
        say     "third"
        exit    3
