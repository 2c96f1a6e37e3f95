; A record by hand: equ gives the offsets, times the rows.
; stdout: "Ada\nBob\n"
; status: 57
person.name  equ 0
person.age   equ 8
person_size  equ 16

section .data
people:
    db  "Ada", 10, 0, 0, 0, 0
    dq  36
    db  "Bob", 10, 0, 0, 0, 0
    dq  21
people_count equ ($ - people) / person_size

section .text
global _start
_start:
    mov     rbx, people
    mov     r12d, people_count
    xor     r13d, r13d
.each:
    lea     rsi, [rbx + person.name]
    mov     edx, 4
    mov     edi, 1
    mov     eax, 1
    syscall
    add     r13, [rbx + person.age]
    add     rbx, person_size
    dec     r12d
    jnz     .each
    mov     edi, r13d
    mov     eax, 60
    syscall
