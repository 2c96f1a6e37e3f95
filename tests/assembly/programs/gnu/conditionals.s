# .ifdef, .ifndef, .else, nested .if with expressions and symbols.
# returns: 42
.intel_syntax noprefix
.set VERSION, 3
.set FEATURE, 1
.text
.globl main
main:
.ifdef FEATURE
    mov eax, 40
.else
    mov eax, 1
.endif
.ifndef MISSING
    inc eax
.endif
.if VERSION >= 2 && VERSION != 7
  .if VERSION == 3
    inc eax
  .elseif VERSION == 4
    dec eax
  .endif
.endif
.if 0
    this is never read
.endif
    ret
