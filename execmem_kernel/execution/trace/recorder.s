# The recorder: steps a program through its instructions, one at a time, and writes down what each did.
#
# It runs in the notebook's process, on the thread that traces, and makes nothing but system calls; it writes only where
# its table says. What it does not know how to do it leaves: it returns, and Python takes the step (stepping.py).
#
#     rdi = the table;  returns eax = why it stopped:
#
#     0   as many steps as were asked for are done, or there is no room for the next
#     1   the next instruction is for Python
#     2   the program did not stop as after a step: the wait status is in the table, and no step was written down
#     3   a signal came while it waited: call it again
#     4   the kernel refused: the program's process is gone
#
# The table, in 8-byte numbers (stepping_loop.py keeps the same list):
#
#     PID                    the process
#     ENTRIES, INDEX         what is known of each instruction; which entry is whose: 4 bytes for each byte of code
#     START, SIZE            the code that INDEX covers
#     STATES, ENDINGS           where the next state goes (18 numbers); where the end of its part of the log goes
#     LOG, POSITION, LIMIT   the log's start, its end so far, and how far that may be when another step begins
#     LEFT                   steps still to do
#     BEFORE                 the vector state before the step
#     AFTER, ROOM            where the vector state after it goes, and how much may: a struct iovec
#     CAPACITY               what ROOM is before the kernel has put the size there
#     SPANS                  for each vector register where its parts lie in a vector state
#     PENDING                1 if a step has begun and not ended
#     STATUS                 the last wait status
#     ENTRY, TAIL            the instruction of that step, and the end of what has been written of it
#     COUNT, BYTES           pieces of memory that the last step wrote, still to be read, and their size together
#     COUNT_, BYTES_         the same for the step that is under way
#     REGISTERS              struct user_regs_struct, 27 numbers, and a 0 for registers that an address does not have
#     HERE, THERE            struct iovec for pieces of memory: where they go, and where they are in the program
#     HERE_, THERE_          the same for what the step under way writes
#
# An entry: how many pieces of memory, the vector registers it writes (a bit each), then for each piece
#
#     0   its head in the log: kind << 56 | size, kind 1 read, 2 written, 3 both
#     8   base, index: offsets in REGISTERS;  16  scale;  20  segment: offset in REGISTERS  (4 bytes each)
#     24  displacement;  32  what of the sum is kept (4 bytes of it where the address has 32 bits)
#
# The log of a step: for each piece of memory its head, its address, the bytes before, the bytes after if it is written;
# for each vector register that changed its head (4 << 56 | number << 32 | size) and its bytes. Bytes fill whole numbers.

        .set    PID, 0
        .set    ENTRIES, 8
        .set    INDEX, 16
        .set    START, 24
        .set    SIZE, 32
        .set    STATES, 40
        .set    ENDINGS, 48
        .set    LOG, 56
        .set    POSITION, 64
        .set    LIMIT, 72
        .set    LEFT, 80
        .set    BEFORE, 88
        .set    AFTER, 96
        .set    ROOM, 104
        .set    CAPACITY, 112
        .set    SPANS, 120
        .set    PENDING, 128
        .set    STATUS, 136
        .set    ENTRY, 144
        .set    TAIL, 152
        .set    COUNT, 160
        .set    BYTES, 168
        .set    COUNT_, 176
        .set    BYTES_, 184
        .set    REGISTERS, 192          # to 416
        .set    HERE, 416               # six of 16 bytes
        .set    THERE, 512
        .set    HERE_, 608              # three
        .set    THERE_, 656             # to 704
        .set    ENTRY_SIZE, 136         # 2 numbers and three pieces of 40 bytes
        .set    WHERE, REGISTERS + 128

record:
        push    rbx                     # callee-saved registers, as any function must
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     rbp, rdi
        cmp     qword ptr [rbp + PENDING], 0
        je      next_step
        mov     qword ptr [rbp + PENDING], 0
        mov     r14, [rbp + ENTRY]
        mov     r13, [rbp + TAIL]
        jmp     wait

# ---- before the step -------------------------------------------------------------------------------------------------

next_step:
        xor     ebx, ebx                # why: nothing is left to do
        cmp     qword ptr [rbp + LEFT], 0
        je      settle
        mov     r13, [rbp + POSITION]   # r13: where the log goes on
        cmp     r13, [rbp + LIMIT]
        ja      settle
        mov     ebx, 1                  # why: Python's
        mov     rax, [rbp + WHERE]
        sub     rax, [rbp + START]
        cmp     rax, [rbp + SIZE]
        jae     settle                  # not in the program's code
        mov     rcx, [rbp + INDEX]
        mov     ecx, [rcx + rax*4]
        test    ecx, ecx
        jz      settle                  # not known, or known to be special
        imul    rcx, rcx, ENTRY_SIZE
        add     rcx, [rbp + ENTRIES]
        mov     r14, rcx                # r14: the instruction's entry

# Write down which memory it will touch, and note the bytes to be read: first those that the last step wrote, then those
# that this one reads or is about to overwrite. One system call reads all of them.
        mov     rbx, [rbp + COUNT]      # rbx: pieces to read
        mov     r12, [rbp + BYTES]      # r12: their bytes
        mov     qword ptr [rbp + COUNT_], 0
        mov     qword ptr [rbp + BYTES_], 0
        mov     r15, [r14]              # r15: pieces of this step
        lea     rsi, [r14 + 16]         # rsi: the next of them
next_piece:
        test    r15, r15
        jz      read
        mov     eax, [rsi + 8]
        mov     rax, [rbp + REGISTERS + rax]        # base
        mov     ecx, [rsi + 12]
        mov     rcx, [rbp + REGISTERS + rcx]        # index
        mov     edx, [rsi + 16]
        imul    rcx, rdx                            # times scale
        add     rax, rcx
        add     rax, [rsi + 24]                     # and the displacement
        and     rax, [rsi + 32]
        mov     ecx, [rsi + 20]
        add     rax, [rbp + REGISTERS + rcx]        # rax: the address
        mov     rdx, [rsi]
        mov     [r13], rdx              # the head
        mov     [r13 + 8], rax          # the address
        add     r13, 16
        movzx   ecx, dx                 # rcx: the size
        lea     r8, [rcx + 7]
        and     r8, -8                  # r8: what it takes in the log
        mov     qword ptr [r13 + r8 - 8], 0         # the bytes may not fill the last number
        mov     rdi, rbx
        shl     rdi, 4
        mov     [rbp + HERE + rdi], r13
        mov     [rbp + HERE + rdi + 8], rcx
        mov     [rbp + THERE + rdi], rax
        mov     [rbp + THERE + rdi + 8], rcx
        inc     rbx
        add     r12, rcx
        add     r13, r8
        shr     rdx, 56
        cmp     edx, 1
        je      piece_done              # only read
        mov     qword ptr [r13 + r8 - 8], 0
        mov     rdi, [rbp + COUNT_]
        shl     rdi, 4
        mov     [rbp + HERE_ + rdi], r13
        mov     [rbp + HERE_ + rdi + 8], rcx
        mov     [rbp + THERE_ + rdi], rax
        mov     [rbp + THERE_ + rdi + 8], rcx
        inc     qword ptr [rbp + COUNT_]
        add     [rbp + BYTES_], rcx
        add     r13, r8
piece_done:
        add     rsi, 40
        dec     r15
        jmp     next_piece

read:
        test    r12, r12
        jz      resume
        mov     rdx, rbx
        mov     r8, rbx
        call    read_memory
        mov     ebx, 1                  # why: Python's, if some of that memory is not there
        cmp     rax, r12
        jne     settle
        mov     qword ptr [rbp + COUNT], 0
        mov     qword ptr [rbp + BYTES], 0

# ---- the step --------------------------------------------------------------------------------------------------------

resume:
        mov     eax, 101                # ptrace
        mov     edi, 9                  #   PTRACE_SINGLESTEP
        mov     rsi, [rbp + PID]
        xor     edx, edx
        xor     r10d, r10d              #   no signal
        syscall
        mov     ebx, 4                  # why: the kernel refused
        test    rax, rax
        jnz     finish
wait:
        mov     eax, 61                 # wait4
        mov     rdi, [rbp + PID]
        lea     rsi, [rbp + STATUS]
        mov     edx, 0x40000000         #   __WALL
        xor     r10d, r10d
        syscall
        cmp     rax, -4                 # EINTR
        je      interrupted
        mov     ebx, 4
        test    rax, rax
        js      finish
        mov     ebx, 2                  # why: another stop
        cmp     dword ptr [rbp + STATUS], 0x057f    # SIGTRAP << 8 | stopped
        jne     finish
        mov     eax, 101                # ptrace
        mov     edi, 12                 #   PTRACE_GETREGS
        mov     rsi, [rbp + PID]
        xor     edx, edx
        lea     r10, [rbp + REGISTERS]
        syscall
        mov     ebx, 4
        test    rax, rax
        jnz     finish

# ---- after the step: the vector registers that it writes --------------------------------------------------------------

        mov     rbx, [r14 + 8]          # rbx: a bit for each that may have changed
        test    rbx, rbx
        jz      write_state
        mov     rax, [rbp + CAPACITY]
        mov     [rbp + ROOM], rax
        mov     eax, 101                # ptrace
        mov     edi, 0x4204             #   PTRACE_GETREGSET
        mov     rsi, [rbp + PID]
        mov     edx, 0x202              #   NT_X86_XSTATE
        lea     r10, [rbp + AFTER]
        syscall
        test    rax, rax
        jz      next_register
        mov     ebx, 4
        jmp     finish
next_register:
        bsf     rax, rbx
        jz      registers_done
        btr     rbx, rax
        shl     rax, 5
        add     rax, [rbp + SPANS]
        mov     r8, rax                 # r8: its head, then up to three parts: offset and count of numbers, 4 bytes each
        mov     rdx, [r8]
        mov     [r13], rdx
        lea     rdi, [r13 + 8]          # rdi: where the next number goes
        xor     r9d, r9d                # r9: not 0 once something differs
        mov     r10d, 3
next_part:
        add     r8, 8
        mov     eax, [r8]
        mov     ecx, [r8 + 4]
        test    ecx, ecx
        jz      register_done
        mov     rsi, rax
        add     rsi, [rbp + BEFORE]
        add     rax, [rbp + AFTER]
next_number:
        mov     rdx, [rax]
        mov     [rdi], rdx
        xor     rdx, [rsi]
        or      r9, rdx
        add     rax, 8
        add     rsi, 8
        add     rdi, 8
        dec     ecx
        jnz     next_number
        dec     r10d
        jnz     next_part
register_done:
        test    r9, r9
        jz      next_register           # as it was: what follows is written over it
        mov     r13, rdi
        jmp     next_register
registers_done:
        mov     rax, [rbp + BEFORE]     # what is after this step is before the next
        xchg    rax, [rbp + AFTER]
        mov     [rbp + BEFORE], rax

# ---- after the step: the state --------------------------------------------------------------------------------------

write_state:
        mov     rdi, [rbp + STATES]
        lea     rsi, [rbp + REGISTERS]
        mov     rax, [rsi + 80]
        mov     [rdi], rax              # rax
        mov     rax, [rsi + 40]
        mov     [rdi + 8], rax          # rbx
        mov     rax, [rsi + 88]
        mov     [rdi + 16], rax         # rcx
        mov     rax, [rsi + 96]
        mov     [rdi + 24], rax         # rdx
        mov     rax, [rsi + 104]
        mov     [rdi + 32], rax         # rsi
        mov     rax, [rsi + 112]
        mov     [rdi + 40], rax         # rdi
        mov     rax, [rsi + 32]
        mov     [rdi + 48], rax         # rbp
        mov     rax, [rsi + 152]
        mov     [rdi + 56], rax         # rsp
        mov     rax, [rsi + 72]
        mov     [rdi + 64], rax         # r8
        mov     rax, [rsi + 64]
        mov     [rdi + 72], rax         # r9
        mov     rax, [rsi + 56]
        mov     [rdi + 80], rax         # r10
        mov     rax, [rsi + 48]
        mov     [rdi + 88], rax         # r11
        mov     rax, [rsi + 24]
        mov     [rdi + 96], rax         # r12
        mov     rax, [rsi + 16]
        mov     [rdi + 104], rax        # r13
        mov     rax, [rsi + 8]
        mov     [rdi + 112], rax        # r14
        mov     rax, [rsi]
        mov     [rdi + 120], rax        # r15
        mov     rax, [rsi + 128]
        mov     [rdi + 128], rax        # rip
        mov     rax, [rsi + 144]
        and     rax, -0x10101           # the tracer's trap flag, and the resume flag that its breakpoints leave
        mov     [rdi + 136], rax        # rflags
        add     rdi, 144
        mov     [rbp + STATES], rdi
        mov     [rbp + POSITION], r13
        sub     r13, [rbp + LOG]
        shr     r13, 3
        mov     rdi, [rbp + ENDINGS]
        mov     [rdi], r13
        add     rdi, 8
        mov     [rbp + ENDINGS], rdi
        dec     qword ptr [rbp + LEFT]

# What it wrote is read with the next step's memory.
        mov     rcx, [rbp + BYTES_]
        mov     [rbp + BYTES], rcx
        mov     rcx, [rbp + COUNT_]
        mov     [rbp + COUNT], rcx
        shl     rcx, 1                  # numbers
        lea     rsi, [rbp + HERE_]
        lea     rdi, [rbp + HERE]
        lea     r8, [rbp + THERE_]
        lea     r9, [rbp + THERE]
next_written:
        test    rcx, rcx
        jz      next_step
        mov     rax, [rsi + rcx*8 - 8]
        mov     [rdi + rcx*8 - 8], rax
        mov     rax, [r8 + rcx*8 - 8]
        mov     [r9 + rcx*8 - 8], rax
        dec     rcx
        jmp     next_written

# ---- the end --------------------------------------------------------------------------------------------------------

interrupted:
        mov     ebx, 3
        mov     qword ptr [rbp + PENDING], 1
        mov     [rbp + ENTRY], r14
        mov     [rbp + TAIL], r13
        jmp     finish

# Read what the last step wrote, if that has not been done with a next one.
settle:
        mov     rdx, [rbp + COUNT]
        test    rdx, rdx
        jz      finish
        mov     r8, rdx
        call    read_memory             # it was there a step ago, and nothing else runs in that process
        mov     qword ptr [rbp + COUNT], 0
        mov     qword ptr [rbp + BYTES], 0
finish:
        mov     eax, ebx
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

# rdx = r8 = how many pieces;  returns rax = bytes read, or less than 0.
read_memory:
        mov     eax, 310                # process_vm_readv
        mov     rdi, [rbp + PID]
        lea     rsi, [rbp + HERE]
        lea     r10, [rbp + THERE]
        xor     r9d, r9d
        syscall
        ret
