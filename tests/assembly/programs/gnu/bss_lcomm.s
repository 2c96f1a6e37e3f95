# Room without bytes: .bss, .lcomm, .comm, .skip, .space, .zero.
# returns: 360
    .intel_syntax noprefix
    .bss
    .align  16
room:
    .skip   40
more:
    .space  8
    .zero   8
    .lcomm  scratch, 64
    .comm   shared, 32, 16
    .text
    .globl  main
main:
    lea     rdi, room[rip]
    mov     ecx, 5
    mov     rax, 36
    rep stosq
    mov     QWORD PTR scratch[rip+8], 100
    mov     QWORD PTR shared[rip], 80
    mov     rax, room[rip]
    add     rax, room[rip+8]
    add     rax, room[rip+16]
    add     rax, room[rip+24]
    add     rax, room[rip+32]
    add     rax, scratch[rip+8]
    add     rax, shared[rip]
    add     rax, more[rip]
    ret
