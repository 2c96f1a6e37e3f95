# The stopwatch: calls a function again and again, in its process, and writes down how long each round of calls took.
#
# It keeps nothing in a register across a call, because the function may change them all; what it must remember lies in
# a table of 8-byte numbers, at `table` (bench.py puts the first five there, and an address in place of `table`):
#
#     0   the function          8   calls in a round      16   rounds
#     24  where the next time is to be written            32   the function that does nothing (an empty call)
#     40  calls left in this round                        48   the round's first clock
#     56  both clocks at the start (24 bytes)             80   the function of this round
#     88  both clocks at the end (24 bytes)
#     128 the registers that every call begins with       256  xmm0 to xmm7
#
# `rdtsc` reads the time-stamp counter into edx:eax; `lfence` waits until everything before it is done. Both ends of a
# call are fenced, so that neither the call before nor the clock overlaps with it; the empty call is timed in the same
# way, between the same fences, and what it takes is subtracted.

start:
        push    rbx                     # callee-saved registers, as any function must
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        sub     rsp, 8                  # at a call, rsp is a multiple of 16

# The registers are as the program was to find them: remember them for every call.
        mov     [table + 128], rax
        mov     [table + 136], rbx
        mov     [table + 144], rcx
        mov     [table + 152], rdx
        mov     [table + 160], rsi
        mov     [table + 168], rdi
        mov     [table + 176], rbp
        mov     [table + 184], r8
        mov     [table + 192], r9
        mov     [table + 200], r10
        mov     [table + 208], r11
        mov     [table + 216], r12
        mov     [table + 224], r13
        mov     [table + 232], r14
        mov     [table + 240], r15
        movups  [table + 256], xmm0
        movups  [table + 272], xmm1
        movups  [table + 288], xmm2
        movups  [table + 304], xmm3
        movups  [table + 320], xmm4
        movups  [table + 336], xmm5
        movups  [table + 352], xmm6
        movups  [table + 368], xmm7

# Which time is it, by both clocks?
        lea     rbx, [table + 56]
        call    both_clocks

# A round of the function, then a round of the empty call, and so on: what disturbs one disturbs the other.
next_round:
        mov     rax, [table]            # the function
        call    round
        mov     rax, [table + 32]       # the empty call
        call    round
        dec     qword ptr [table + 16]
        jnz     next_round

        lea     rbx, [table + 88]
        call    both_clocks

        add     rsp, 8
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        xor     eax, eax
        ret

# Times as many calls of the function in rax as a round has.
round:
        mov     [table + 80], rax
        mov     rcx, [table + 8]
        mov     [table + 40], rcx
        lfence
        rdtsc
        shl     rdx, 32
        or      rax, rdx
        mov     [table + 48], rax
next_call:
        mov     rax, [table + 128]
        mov     rbx, [table + 136]
        mov     rcx, [table + 144]
        mov     rdx, [table + 152]
        mov     rsi, [table + 160]
        mov     rdi, [table + 168]
        mov     rbp, [table + 176]
        mov     r8,  [table + 184]
        mov     r9,  [table + 192]
        mov     r10, [table + 200]
        mov     r11, [table + 208]
        mov     r12, [table + 216]
        mov     r13, [table + 224]
        mov     r14, [table + 232]
        mov     r15, [table + 240]
        movups  xmm0, [table + 256]
        movups  xmm1, [table + 272]
        movups  xmm2, [table + 288]
        movups  xmm3, [table + 304]
        movups  xmm4, [table + 320]
        movups  xmm5, [table + 336]
        movups  xmm6, [table + 352]
        movups  xmm7, [table + 368]
        sub     rsp, 8                  # `round` was called: align the stack again
        lfence
        call    [table + 80]
        lfence
        add     rsp, 8
        dec     qword ptr [table + 40]
        jnz     next_call
        rdtscp                          # waits for what came before; edx:eax, and the processor's number in ecx
        lfence
        shl     rdx, 32
        or      rax, rdx
        sub     rax, [table + 48]
        mov     rcx, [table + 24]       # one more time is written
        mov     [rcx], rax
        add     rcx, 8
        mov     [table + 24], rcx
        ret

# Writes the time-stamp counter, then the system's clock (seconds, nanoseconds), to rbx.
both_clocks:
        lfence
        rdtsc
        shl     rdx, 32
        or      rax, rdx
        mov     [rbx], rax
        mov     eax, 228                # clock_gettime
        mov     edi, 1                  #   CLOCK_MONOTONIC
        lea     rsi, [rbx + 8]
        syscall
        ret

empty:
        ret
