; Every way to write data that a first lecture shows.
; returns: 0
section .data
    bytes       db  0x55, 0x56, 0x57
    letters     db  'a', 0x55
    text        db  'hello', 13, 10, '$'
    words       dw  0x1234, 'a', 'ab', 'abc'
    dwords      dd  0x12345678, 1.234567e20
    quads       dq  0x123456789abcdef0, 1.234567e20
    tens        dt  1.234567e20
    many        times 8 db 0xff
    pad         times 16-3 db '-'
    pi          dq  3.141592653589793
    negative    dd  -1, -2.5
    escapes     db  `tab\there\0`, "no\escape"
    under       dq  1_000_000, 0b1111_0000, 0q777, 0o17, 0ffh, $0ff, 0d10
section .bss
    buffer      resb 64
    wordvar     resw 1
    dwordvar    resd 10
    realarray   resq 10
    oneten      rest 1
section .text
    global main
main:
    xor     eax, eax
    cmp     byte [letters], 'a'
    jne     .wrong
    cmp     word [words+4], 'ab'
    jne     .wrong
    cmp     byte [many+7], 255
    jne     .wrong
    cmp     dword [negative], -1
    jne     .wrong
    mov     rcx, [under+8]
    cmp     rcx, 240
    jne     .wrong
    cmp     byte [escapes+3], 9
    jne     .wrong
    ret
.wrong:
    mov     eax, 1
    ret
