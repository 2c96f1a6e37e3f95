# The loop that calls one program for many cases in one process, each case as if it were the first.
#
# It runs beside the program, in the program's own process: the program can read it, and with a deliberate wild write it
# could spoil the results. So batch.py believes a batch only after some of its cases, picked at random, have been run
# again in processes of their own with the same results; and a case that did not return is always run again there.
#
# Set by batch.py before these lines (all addresses lie below 2 GiB):
#
#     CASES           read-only: first how many copies every case needs, each (to, from, size): the program's data as it
#                     was; then how many cases; then the cases
#     STATE           this loop's own page:  0 = the case, 8 = where its results go, 16 = how many cases are left,
#                     24 = the second list of the case;  its end is a stack for the flags
#     RESULTS         what comes out: for each case 1 when it is done, rax, xmm0, then what the second list names
#     STACK, STACK_SIZE, ENTRY, HAS_FSGSBASE
#
#     a case:  rdi rsi rdx rcx r8 r9, xmm0 to xmm7 (8 bytes each), how many copies before the call: each (to, from, size);
#              how many copies after it: each (from, size)

start:
        mov     r12, STATE
        mov     r13, CASES
        mov     rcx, [r13]              # how many copies every case needs
        lea     rcx, [rcx + 2*rcx]      # three numbers each
        lea     rbx, [r13 + 8*rcx + 8]
        mov     rax, [rbx]              # how many cases
        add     rbx, 8
        mov     [r12], rbx
        mov     [r12 + 16], rax
        mov     rax, RESULTS
        mov     [r12 + 8], rax

next_case:
        mov     r12, STATE
        cmp     qword ptr [r12 + 16], 0
        je      finished
        mov     rbx, [r12]

# Memory as it was: the program's own data, an empty stack, this case's buffers.
        mov     r13, CASES
        call    copy_all
        mov     rdi, STACK
        mov     ecx, STACK_SIZE / 8
        xor     eax, eax
        rep stosq
        lea     r13, [rbx + 112]
        call    copy_all
        mov     [r12 + 24], r13         # the second list follows

# Registers as they were: x87, vectors, masks and their controls all at once, from an image that says "initial".
        mov     eax, 0x2ff              # every component that a program can change unasked; AMX's tiles (17, 18) need a
        xor     edx, edx                #   permission, and asking for them would make xrstor read 8 KiB beyond this page
        xrstor  [rip + initial]
.if HAS_FSGSBASE
        xor     eax, eax
        wrfsbase rax
        wrgsbase rax
.endif
        movsd   xmm0, qword ptr [rbx + 48]
        movsd   xmm1, qword ptr [rbx + 56]
        movsd   xmm2, qword ptr [rbx + 64]
        movsd   xmm3, qword ptr [rbx + 72]
        movsd   xmm4, qword ptr [rbx + 80]
        movsd   xmm5, qword ptr [rbx + 88]
        movsd   xmm6, qword ptr [rbx + 96]
        movsd   xmm7, qword ptr [rbx + 104]
        mov     rsp, STACK + STACK_SIZE - 8
        lea     rax, [rip + back]
        mov     [rsp], rax
        xor     eax, eax                # this clears the overflow flag,
        mov     ah, 2
        sahf                            # and this the others; no instruction below changes a flag
        mov     rdi, [rbx]
        mov     rsi, [rbx + 8]
        mov     rdx, [rbx + 16]
        mov     rcx, [rbx + 24]
        mov     r8,  [rbx + 32]
        mov     r9,  [rbx + 40]
        mov     eax, 0
        mov     ebx, 0
        mov     ebp, 0
        mov     r10d, 0
        mov     r11d, 0
        mov     r12d, 0
        mov     r13d, 0
        mov     r14d, 0
        mov     r15d, 0
        jmp     qword ptr [rip + entry]

# It came back. Only rax and xmm0 mean anything.
back:
        mov     rsp, STATE + 4096
        push    2
        popfq                           # direction, alignment check and trap are off
        mov     r12, STATE
        mov     r15, [r12 + 8]
        mov     [r15 + 8], rax
        movsd   qword ptr [r15 + 16], xmm0
        lea     rdi, [r15 + 24]
        mov     r13, [r12 + 24]
        mov     r14, [r13]
        add     r13, 8
next_result:
        test    r14, r14
        jz      noted
        mov     rsi, [r13]
        mov     rcx, [r13 + 8]
        rep movsb
        add     r13, 16
        dec     r14
        jmp     next_result
noted:
        mov     qword ptr [r15], 1      # done
        mov     [r12 + 8], rdi
        mov     [r12], r13              # the next case begins where this one's lists end
        dec     qword ptr [r12 + 16]
        jmp     next_case

# The return address that the runner put at the top of the program's own stack leads to the supervisor.
finished:
        mov     rsp, RETURN_SLOT
        ret

# r13 = a list: how many, then (to, from, size) each; leaves r13 behind it
copy_all:
        mov     r14, [r13]
        add     r13, 8
copy_next:
        test    r14, r14
        jz      copied
        mov     rdi, [r13]
        mov     rsi, [r13 + 8]
        mov     rcx, [r13 + 16]
        rep movsb
        add     r13, 24
        dec     r14
        jmp     copy_next
copied:
        ret

        .balign 8
entry:  .quad   ENTRY

# An XSAVE area whose header says that every component is in its initial state.
        .balign 64
initial:
        .fill   24, 1, 0
        .long   0x1f80                  # MXCSR, which has no initial state of its own
        .fill   548, 1, 0
