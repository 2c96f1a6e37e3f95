; A linked list on the heap: malloc, strlen, free.
; libc: yes
; stdout: "three\ntwo\none\n"
; returns: 11
extern malloc, free, puts, strlen
global main
section .rodata
one:    db "one", 0
two:    db "two", 0
three:  db "three", 0
words:  dq one, two, three
section .text
main:
        push    rbx
        push    r12
        push    r13
        xor     ebx, ebx                ; head
        xor     r12d, r12d
.build: mov     edi, 16
        call    malloc
        mov     rcx, [words + r12*8]
        mov     [rax], rcx
        mov     [rax+8], rbx
        mov     rbx, rax
        inc     r12
        cmp     r12, 3
        jne     .build
        xor     r13d, r13d
.show:  test    rbx, rbx
        jz      .end
        mov     rdi, [rbx]
        call    puts
        mov     rdi, [rbx]
        call    strlen
        add     r13, rax
        mov     rdi, rbx
        mov     rbx, [rbx+8]
        call    free
        jmp     .show
.end:   mov     rax, r13
        pop     r13
        pop     r12
        pop     rbx
        ret
