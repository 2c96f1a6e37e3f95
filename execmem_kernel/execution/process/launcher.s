# The launcher: starts a process from an open file, and does for one purpose what posix_spawn does for all.
#
# posix_spawn asks for the handler of every signal, maps a stack and finds the file by its name in /proc: a fifth of what
# a whole run costs. This runs in the notebook's process, on the thread that starts the program, and makes nothing but
# system calls.
#
#     rdi = the table;  returns eax = 0, or the error number
#
# The table (linux.py, Child.launch, keeps the same list):

        .set    OLD, 0                          # the signals that this thread held back before
        .set    ALL, 8                          # every signal
        .set    HELD, 16                        # the signals that the process holds back
        .set    PID_AT, 24                      # where its number goes (4 bytes)
        .set    ERROR, 32                       # 0; the error number of what failed in the new process (4 bytes)
        .set    FILE, 36                        # the executable's descriptor (4 bytes)
        .set    ARGV, 40
        .set    ENVP, 48
        .set    EMPTY, 56                       # a string of no characters
        .set    CLONE, 64                       # struct clone_args, 88 bytes
        .set    COUNT, 152                      # how many descriptors it gets
        .set    PAIRS, 160                      # for each: its number here, its number there (4 bytes each)

        push    rbx
        push    r12
        push    r13
        mov     rbx, rdi

# Nothing may disturb the two processes while they share this memory and this stack.
        mov     eax, 14                         # rt_sigprocmask
        xor     edi, edi                        #   SIG_BLOCK
        lea     rsi, [rbx + ALL]
        lea     rdx, [rbx + OLD]
        mov     r10d, 8
        syscall

# A process that borrows all memory until it executes something else. This thread waits for that; handlers of signals
# are none of its.
        mov     eax, 435                        # clone3
        lea     rdi, [rbx + CLONE]
        mov     esi, 88
        syscall
        test    eax, eax
        jz      child
        mov     r12d, eax                       # its number, or an error
        js      undisturbed
        cmp     dword ptr [rbx + ERROR], 0
        jne     undisturbed
        mov     rax, [rbx + PID_AT]
        mov     [rax], r12d                     # before any handler of Python's can run
undisturbed:
        mov     eax, 14                         # rt_sigprocmask
        mov     edi, 2                          #   SIG_SETMASK
        lea     rsi, [rbx + OLD]
        xor     edx, edx
        mov     r10d, 8
        syscall
        mov     eax, r12d
        neg     eax
        test    r12d, r12d
        js      done                            # no process
        mov     r13d, [rbx + ERROR]
        test    r13d, r13d
        jz      started
again:
        mov     eax, 61                         # wait4: it has ended by itself
        mov     edi, r12d
        xor     esi, esi
        mov     edx, 0x40000000                 #   __WALL
        xor     r10d, r10d
        syscall
        cmp     eax, -4                         # EINTR
        je      again
        mov     eax, r13d
        jmp     done
started:
        xor     eax, eax
done:
        pop     r13
        pop     r12
        pop     rbx
        ret

# In the new process, on the borrowed stack, of which nothing is touched.
child:
        mov     eax, 112                        # setsid
        syscall
        mov     r12d, [rbx + COUNT]
        lea     r13, [rbx + PAIRS]
next_pair:
        test    r12d, r12d
        jz      execute
        mov     edi, [r13]
        mov     esi, [r13 + 4]
        cmp     edi, esi
        je      keep
        mov     eax, 292                        # dup3
        xor     edx, edx                        #   to be kept by exec
        syscall
        jmp     given
keep:
        mov     eax, 72                         # fcntl
        mov     esi, 2                          #   F_SETFD
        xor     edx, edx                        #   to be kept by exec
        syscall
given:
        test    eax, eax
        js      failed
        add     r13, 8
        dec     r12d
        jmp     next_pair
execute:
        mov     eax, 14                         # rt_sigprocmask
        mov     edi, 2                          #   SIG_SETMASK
        lea     rsi, [rbx + HELD]
        xor     edx, edx
        mov     r10d, 8
        syscall
        mov     eax, 322                        # execveat
        mov     edi, [rbx + FILE]
        lea     rsi, [rbx + EMPTY]
        mov     rdx, [rbx + ARGV]
        mov     r10, [rbx + ENVP]
        mov     r8d, 0x1000                     #   AT_EMPTY_PATH: the file itself
        syscall
failed:
        neg     eax
        mov     [rbx + ERROR], eax
        mov     eax, 60                         # exit
        mov     edi, 127
        syscall
        ud2                                     # not reached
