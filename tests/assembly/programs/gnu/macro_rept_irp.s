# Macros with named and default arguments, .rept, .irp, .if and \@.
# returns: 63
.intel_syntax noprefix
.macro  addto register, amount=1
    add \register, \amount
.endm
.macro  countdown register, from
    mov \register, \from
again\@:
    addto eax
    dec \register
    jnz again\@
.endm
.macro  choose value
  .if \value > 10
    addto eax, \value
  .else
    addto eax, 1
  .endif
.endm
    .text
    .globl main
main:
    xor     eax, eax
    countdown ecx, 5            # 5
    countdown edx, 7            # 12
    .rept 4
    addto   eax, 5              # 32
    .endr
    .irp r, rcx, rdx, rsi
    xor     \r, \r
    .endr
    choose  20                  # 52
    choose  3                   # 53
    .irp n, 1, 2, 3, 4
    add     eax, \n             # 63
    .endr
    ret
