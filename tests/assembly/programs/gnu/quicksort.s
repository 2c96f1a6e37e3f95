# Quicksort of 64-bit numbers; checks that the result is in order.
# returns: 1
    .intel_syntax noprefix
    .data
    .p2align 3
numbers:
    .quad 33, -5, 8, 0, 7, 7, 1000000007, -1000, 12, 4
    .equ COUNT, (. - numbers) >> 3
    .text
    .globl main
# quicksort(rdi = first, rsi = last)
quicksort:
    cmp     rdi, rsi
    jae     9f
    mov     rax, [rsi]          # pivot
    mov     rcx, rdi            # where the next small one goes
    mov     rdx, rdi
1:  cmp     rdx, rsi
    jae     3f
    mov     r8, [rdx]
    cmp     r8, rax
    jge     2f
    mov     r9, [rcx]
    mov     [rcx], r8
    mov     [rdx], r9
    add     rcx, 8
2:  add     rdx, 8
    jmp     1b
3:  mov     r9, [rcx]
    mov     [rcx], rax
    mov     [rsi], r9
    push    rcx
    push    rsi
    lea     rsi, [rcx-8]
    call    quicksort
    pop     rsi
    pop     rcx
    lea     rdi, [rcx+8]
    call    quicksort
9:  ret
main:
    lea     rdi, numbers[rip]
    lea     rsi, numbers[rip + 8*(COUNT-1)]
    call    quicksort
    lea     rdi, numbers[rip]
    mov     ecx, COUNT-1
1:  mov     rax, [rdi]
    cmp     rax, [rdi+8]
    jg      2f
    add     rdi, 8
    loop    1b
    mov     eax, 1
    ret
2:  xor     eax, eax
    ret
