; A macro is not expanded inside itself: push, pop and ret may be macros that use push, pop and ret.
; status: 42
%macro push 1-*
  %rep %0
        push    %1
    %rotate 1
  %endrep
%endmacro
%macro pop 1-*
  %rep %0
    %rotate -1
        pop     %1
  %endrep
%endmacro
%macro ret 0
        leave
        ret
%endmacro
%macro syscall 2
        mov     eax, %1
        mov     edi, %2
        syscall
%endmacro
        section .text
        global  _start
twice:  enter   0, 0
        push    rbx, rcx
        lea     rax, [rdi+rdi]
        pop     rbx, rcx
        ret
_start: mov     edi, 21
        call    twice
        mov     ebx, eax
        syscall 60, ebx
