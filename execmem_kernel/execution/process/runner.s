# The runner: what happens in a program's process before the program does.
#
# The supervisor (guest.py) starts this as a static executable with no environment, and with its own process id for the
# only argument. It builds the program's address space from a table, installs the seccomp filter, and stops; the
# supervisor then sets the program's registers and lets it go. The program never comes back here: a return is recognised
# from outside.
#
# The table follows the code at `parameters`, written by the supervisor in the order it is read here, 8 bytes a number:
#
#     1 to be watched by the supervisor (ptrace), 0 to report its own faults (the second half of this file)
#     whether rdtsc faults, so that it can be answered: 1 (PR_TSC_ENABLE) or 2 (PR_TSC_SIGSEGV)
#     how many mappings;  then for each: address, size, protection, flags, descriptor, offset
#     where the stack begins, and the word that lies there: a return address, or the number of arguments
#     how many limits;    then for each: resource, soft limit, hard limit
#     a timer on the wall clock, a timer on processor time: each an interval and a first shot, seconds and microseconds
#     a timer that kills: a struct sigevent, an interval and a first shot, seconds and nanoseconds
#     the system call filter: a count and an address (struct sock_fprog)
#
# Registers: rbx walks through the table, r12 counts, r15 says which step it is: the exit status if the step fails.
# `syscall` destroys rcx and r11, and returns in rax; a number from -4095 to -1 there is an error.

start:
        lea     rbx, [rip + parameters]

# Die when the supervisor's thread dies, however it dies. If it is dead already, the parent is another process.
        mov     r15d, 1
        mov     eax, 157                # prctl
        mov     edi, 1                  #   PR_SET_PDEATHSIG
        mov     esi, 9                  #   SIGKILL
        syscall
        mov     rsi, [rsp + 8]          # argv[0]: its process id, eight letters from `a`, the highest four bits first.
        xor     edi, edi                # Not in the table: a program can read that page, and runs would differ.
        mov     ecx, 8
next_letter:
        movzx   eax, byte ptr [rsi]
        sub     eax, 'a'
        shl     edi, 4
        or      edi, eax
        inc     rsi
        dec     ecx
        jnz     next_letter
        mov     eax, 110                # getppid
        syscall
        cmp     rax, rdi
        jne     fail

# Nothing mapped above 4 GiB: not the stack this process began with, not the kernel's vdso. A kernel that seals its
# vdso refuses; then a page of the kernel's own code stays readable, which holds nothing secret.
        mov     eax, 11                 # munmap
        mov     edi, 1
        shl     rdi, 32                 #   from 4 GiB
        mov     rsi, 0x7ffffffff000     #   to the end of user space
        sub     rsi, rdi
        syscall

# Map the program's segments, stack and buffers, each where the table says. MAP_FIXED_NOREPLACE is among the flags.
        mov     r15d, 2
        mov     r12, [rbx + 16]         # how many
        add     rbx, 24                 # the first mapping
next_mapping:
        test    r12, r12
        jz      mapped
        mov     eax, 9                  # mmap
        mov     rdi, [rbx]              #   address
        mov     rsi, [rbx + 8]          #   size
        mov     rdx, [rbx + 16]         #   protection
        mov     r10, [rbx + 24]         #   flags
        mov     r8,  [rbx + 32]         #   descriptor, or -1
        mov     r9,  [rbx + 40]         #   offset in the file
        syscall
        cmp     rax, [rbx]              # anywhere else is a failure, and so is an error number
        jne     fail
        add     rbx, 48
        dec     r12
        jmp     next_mapping
mapped:

# The first word of the stack. A return address leads to a page that is never mapped, so `ret` stops the program by itself.
        mov     rdi, [rbx]
        mov     rax, [rbx + 8]
        mov     [rdi], rax
        mov     rbp, rdi                # below it is memory that may be written
        add     rbx, 16

# No descriptors, but for 0 where there is no ptrace: there it is the file that memory comes from. A kernel older than 5.9
# lacks this call: the filter below makes whatever stays open useless.
        lea     r13, [rip + parameters]
        xor     edi, edi
        cmp     qword ptr [r13], 0
        sete    dil                     #   from 0, or from 1
        mov     eax, 436                # close_range
        mov     esi, -1                 #   to the last one
        xor     edx, edx
        syscall

# Resource limits.
        mov     r15d, 3
        mov     r12, [rbx]              # how many
        add     rbx, 8
next_limit:
        test    r12, r12
        jz      limited
        mov     eax, 302                # prlimit64
        xor     edi, edi                #   this process
        mov     rsi, [rbx]              #   which
        lea     rdx, [rbx + 8]          #   soft and hard
        xor     r10d, r10d
        syscall
        test    rax, rax
        jnz     fail
        add     rbx, 24
        dec     r12
        jmp     next_limit
limited:

# The supervisor watches from here on: every signal stops this process and is shown to the supervisor first.
        lea     r13, [rip + parameters]
        cmp     qword ptr [r13], 0
        je      prepare_reporting       # this host has no ptrace: see the second half
        mov     r15d, 4
        mov     eax, 101                # ptrace
        xor     edi, edi                #   PTRACE_TRACEME
        xor     esi, esi
        xor     edx, edx
        xor     r10d, r10d
        syscall
        test    rax, rax
        jnz     fail
watched:

# rdtsc and rdtscp fault, and the supervisor answers them. A host that refuses this does not matter: they then tell time.
        mov     eax, 157                # prctl
        mov     edi, 26                 #   PR_SET_TSC
        mov     rsi, [r13 + 8]
        xor     edx, edx
        xor     r10d, r10d
        xor     r8d, r8d
        syscall

# Two clocks the program cannot reach: no system call of its own is ever carried out unseen.
        mov     r15d, 5
        mov     eax, 38                 # setitimer
        xor     edi, edi                #   ITIMER_REAL: SIGALRM
        mov     rsi, rbx
        xor     edx, edx
        syscall
        test    rax, rax
        jnz     fail
        add     rbx, 32
        mov     eax, 38                 # setitimer
        mov     edi, 2                  #   ITIMER_PROF: SIGPROF
        mov     rsi, rbx
        xor     edx, edx
        syscall
        test    rax, rax
        jnz     fail
        add     rbx, 32

# A third clock, for a process that is never waited for any more: it kills. A host without such clocks does not
# matter, so nothing here is a failure.
        mov     eax, 222                # timer_create
        mov     edi, 1                  #   CLOCK_MONOTONIC
        mov     rsi, rbx                #   which signal (struct sigevent)
        lea     rdx, [rbp - 8]          #   where the timer's number goes
        syscall
        test    rax, rax
        jnz     no_third_clock
        mov     edi, [rbp - 8]
        mov     qword ptr [rbp - 8], 0  # the program's stack begins as zeros
        mov     eax, 223                # timer_settime
        xor     esi, esi                #   from now
        lea     rdx, [rbx + 64]         #   when (struct itimerspec)
        xor     r10d, r10d
        syscall
no_third_clock:
        add     rbx, 96

# Install the seccomp filter: every later system call, by whichever way, is reported to the tracer (SECCOMP_RET_TRACE).
# (Since Linux 6.11 two pass every filter, 335 and 336: the kernel makes them for its own probes, and refuses them here.)
        mov     r15d, 6
        mov     eax, 157                # prctl
        mov     edi, 38                 #   PR_SET_NO_NEW_PRIVS
        mov     esi, 1
        xor     edx, edx
        xor     r10d, r10d
        xor     r8d, r8d
        syscall
        test    rax, rax
        jnz     fail
        mov     r15d, 7
        mov     eax, 317                # seccomp
        mov     edi, 1                  #   SECCOMP_SET_MODE_FILTER
        xor     esi, esi
        mov     rdx, rbx                #   the filter
        syscall
        test    rax, rax
        jnz     fail

# Ready. The supervisor takes over here; this instruction is never returned from.
        int3
ready:

# ---- The second half: where a host refuses ptrace, the process reports what happened to it itself ----
#
# Every stop is a signal. Its handler notes where the kernel has put the registers, stops this process, and waits for the
# supervisor, which reads and changes them there. A program that means harm can fake all of that, so what comes of it is
# marked. The page at `control` and the handler's stack are shared with the supervisor, and the program can reach them:
#
#     0x00    the signal, the address of its siginfo_t, the address of its ucontext_t
#     0x18    how many reports there were
#     0x20    what the supervisor wants: 0 to go on, or a system call's number, and from 0x28 its six arguments
#     0x58    what that system call returned
#     0x60    1 where a program may read fs_base and gs_base, which then are at 0x68 and 0x70
#     0x78    a clock that has rung while the handler was at work

# A stack of its own for the handler, so that a program that has destroyed rsp is reported like any other.
prepare_reporting:
        mov     r14d, 0x7ff00000        # control
        mov     qword ptr [r14 + 0x800], 0x7ff10000     # stack_t: where,
        mov     qword ptr [r14 + 0x808], 0              #   flags,
        mov     qword ptr [r14 + 0x810], 0x10000        #   size
        mov     r15d, 8
        mov     eax, 131                # sigaltstack
        lea     rdi, [r14 + 0x800]
        xor     esi, esi
        syscall
        test    rax, rax
        jnz     fail
        lea     rax, [rip + handler]
        mov     [r14 + 0x800], rax                      # struct sigaction: handler,
        mov     eax, 0x4c000004                         #   SA_SIGINFO | SA_ONSTACK | SA_RESTORER | SA_NODEFER,
        mov     [r14 + 0x808], rax
        lea     rax, [rip + fail]                       #   a restorer, which is never returned to,
        mov     [r14 + 0x810], rax
        mov     qword ptr [r14 + 0x818], 0              #   and no signal held back: see `handler`
        lea     r12, [rip + signals]
next_signal:
        movzx   edi, byte ptr [r12]
        test    edi, edi
        jz      watched
        mov     eax, 13                 # rt_sigaction
        lea     rsi, [r14 + 0x800]
        xor     edx, edx
        mov     r10d, 8
        syscall
        test    rax, rax
        jnz     fail
        inc     r12
        jmp     next_signal

# rdi: the signal. rsi: siginfo_t. rdx: ucontext_t. The filter lets no code, not even this handler, change which signals
# are held back: a program could hold back its clocks. So none is, and one may arrive while the handler is at work. A
# clock then is noted for the next report; anything else is the doing of a program that has jumped in here.
handler:
        push    2                       # no trap flag, no alignment checks, and no nested task, which iretq would refuse
        popfq
        mov     rbx, rdx
        mov     rax, [rbx + 168]        # rip
        lea     rcx, [rip + handler]
        sub     rax, rcx
        cmp     rax, offset handler_end - handler
        jae     report
        cmp     edi, 14                 # SIGALRM
        je      rang
        cmp     edi, 27                 # SIGPROF
        je      rang
        cmp     edi, 24                 # SIGXCPU
        jne     report
rang:
        mov     r14d, 0x7ff00000        # control
        mov     [r14 + 0x78], rdi
        jmp     go_on
report:
        mov     r14d, 0x7ff00000        # control
        mov     [r14], rdi
        mov     [r14 + 8], rsi
        mov     [r14 + 16], rbx
        inc     qword ptr [r14 + 24]
        cmp     qword ptr [r14 + 0x60], 0
        je      stop
        rdfsbase rax
        mov     [r14 + 0x68], rax
        rdgsbase rax
        mov     [r14 + 0x70], rax
stop:
        xor     edi, edi                # this process's own group, in which it is alone
        mov     esi, 19                 # SIGSTOP
        mov     eax, 62                 # kill
        call    gate
        mov     rax, [r14 + 0x20]       # the supervisor has let it go on: what does it want?
        test    rax, rax
        jz      go_on
        mov     rdi, [r14 + 0x28]
        mov     rsi, [r14 + 0x30]
        mov     rdx, [r14 + 0x38]
        mov     r10, [r14 + 0x40]
        mov     r8,  [r14 + 0x48]
        mov     r9,  [r14 + 0x50]
        call    gate
        mov     [r14 + 0x58], rax
        jmp     stop

# The only instruction of this process whose system calls are carried out; the filter knows its address.
gate:
        syscall
passed:
        ret

# Back to where the signal came, by iretq and not by rt_sigreturn, which the filter forbids.
go_on:
        mov     rsi, [rbx + 224]        # the x87 and vector state
        mov     eax, [rsi + 472]        #   the components that the kernel has stored (xfeatures in struct _fpx_sw_bytes), and
        mov     edx, [rsi + 476]        #   no others: asked for AMX's tiles, xrstor reads beyond what lies there
        cmp     dword ptr [rsi + 464], 0x46505853       # FP_XSTATE_MAGIC1: written by xsave
        jne     written_by_fxsave
        xrstor  [rsi]
        jmp     state_loaded
written_by_fxsave:
        fxrstor [rsi]
state_loaded:
        lea     rsp, [rbx - 48]         # below all that the kernel has stored: another signal would come below this
        mov     rax, [rbx + 168]
        mov     [rsp], rax              # rip
        movzx   eax, word ptr [rbx + 184]
        mov     [rsp + 8], rax          # cs
        mov     rax, [rbx + 176]
        mov     [rsp + 16], rax         # flags
        mov     rax, [rbx + 160]
        mov     [rsp + 24], rax         # rsp
        movzx   eax, word ptr [rbx + 190]
        mov     [rsp + 32], rax         # ss
        mov     r8,  [rbx + 40]
        mov     r9,  [rbx + 48]
        mov     r10, [rbx + 56]
        mov     r11, [rbx + 64]
        mov     r12, [rbx + 72]
        mov     r13, [rbx + 80]
        mov     r14, [rbx + 88]
        mov     r15, [rbx + 96]
        mov     rdi, [rbx + 104]
        mov     rsi, [rbx + 112]
        mov     rbp, [rbx + 120]
        mov     rdx, [rbx + 136]
        mov     rax, [rbx + 144]
        mov     rcx, [rbx + 152]
        mov     rbx, [rbx + 128]
        iretq
handler_end:

# Everything that ends a program: SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, and the clocks' SIGALRM, SIGPROF, SIGXCPU.
signals:
        .byte   11, 7, 4, 8, 5, 31, 14, 27, 24, 0

fail:
        mov     eax, 231                # exit_group
        mov     edi, r15d               #   which step
        syscall
        ud2                             # not reached

        .align  8
parameters:
