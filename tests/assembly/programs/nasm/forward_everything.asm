; Uses before definitions: constants, labels, data, a table of differences.
; returns: 25
        global main
        default rel
        section .text
main:   mov     eax, FIRST
        add     eax, [later]
        lea     rcx, [table]
        movsxd  rdx, dword [rcx + 4*SECOND]
        add     rdx, rcx
        jmp     rdx
.dead:  ud2
.live:  add     eax, table_end - table
        ret
        section .rodata
table:  dd      main.dead - table, main.live - table
table_end:
later:  dd      SECOND + FIRST
SECOND  equ     FIRST - 7
FIRST   equ     8
        section .data
        dq      table_end
