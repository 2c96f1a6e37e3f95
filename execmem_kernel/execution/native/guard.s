# The guard: what stands between machine code that was called inside this process and the death of this process.
#
# A stub (stub.s) arms the guard before it calls such code: it notes its own stack pointer in the block of the
# thread it runs on. A fault then arrives in `handler`. If it happened in a call made through a stub, on that thread,
# the handler does not repair anything: it makes the thread go on in `recover`, on the stub's stack, as if the call
# had ended there; `recover` raises a Python exception. Every other fault goes to the handler that stood here before.
#
# Set by native.py before these lines:
#
#     DATA                   the guard's data, in memory that is never executable
#     METHOD_NAME            the Python string "_fault"
#     PyObject_VectorcallMethod, PyLong_AsVoidPtr, Py_NewRef, PyObject_GetBuffer, PyBuffer_Release, PyErr_Clear, None_
#                            addresses in the interpreter
#
#     DATA + 0               what fs:[0] was on the thread that called last: glibc keeps the thread's own address there
#     DATA + 8               that thread's block
#     DATA + 16              how many blocks there are
#     DATA + 24              how many ranges there are
#     DATA + 32              1 once a fault has been handed on
#     DATA + RANGES          the ranges of code that may be called: start, end
#     DATA + ACTIONS         the handlers that stood before, 32 bytes for each signal number: handler, flags, restorer, mask
#     DATA + BLOCKS          the blocks, 64 bytes each:
#         0                  the stack pointer of the stub that is calling, 0 when no call is running
#         8                  the thread's number
#         16                 the thread's own address, what fs:[0] should be
#         24                 the signal that ended the last call
#         32                 where the program counter was then
#         40                 the frame of the stub that had made the call
#         48                 what the last call left otherwise than it found it, and `tidy` put back: LEFT_... bits
#
# A stub's frame, from its stack pointer up (the same for every stub, so that one `recover` serves all):
#
#     0     six integer arguments
#     48    eight floating-point arguments
#     112   what DATA's block held at 0 before: not 0 when a call runs inside another call
#     120   the gate: a counter of the calls that are running in the code
#     128   the arguments as Python gave them: an array of object pointers
#     136   what the code found: the control bits of MXCSR, the x87 control word, status word and tags, 2 bytes each;
#           all zero for code that can change none of them (machine_state.py), and then nothing is to be put back
#     144   self, the Python object behind the function
#     152   r15, r14, r13, r12, rbx, rbp, the return address

# ---- the handler: rdi = signal, rsi = its siginfo, rdx = the interrupted registers (ucontext) -----------------------
#
# Nothing of the interrupted thread is believed but its number, which the kernel tells: fs may be destroyed.

handler:
        mov     r8, rdi                 # the signal
        mov     r9, rsi                 # siginfo
        mov     r10, rdx                # ucontext
        mov     eax, 186                # gettid
        syscall                         #   (destroys rcx and r11)
        mov     rbp, DATA
        mov     rcx, [rbp + 16]         # how many blocks
        lea     rbx, [rbp + BLOCKS]
next_block:
        test    rcx, rcx
        jz      not_ours                # a thread that never called: not ours
        cmp     [rbx + 8], rax
        je      our_thread
        add     rbx, 64
        dec     rcx
        jmp     next_block
our_thread:
        cmp     qword ptr [rbx], 0
        je      not_ours                # no call is running on this thread: not ours
        mov     rax, [r10 + 168]        # the interrupted rip
        mov     rcx, [rbp + 24]         # how many ranges
        lea     rsi, [rbp + RANGES]
next_range:
        test    rcx, rcx
        jz      elsewhere
        cmp     rax, [rsi]
        jb      not_here
        cmp     rax, [rsi + 8]
        jb      ours
not_here:
        add     rsi, 16
        dec     rcx
        jmp     next_range

# Not in code of ours. It may still have jumped to where there is no code at all: then the address that could not be
# read is the address it was to execute. Anywhere else (in the C library, in Python) is no place to abandon a thread.
#
# A handler that was put in place after this one may have had the fault first: it reports, puts this handler back and
# raises the signal once more (faulthandler does). Nothing is done then: the handlers return, the instruction faults
# again, and now it is seen here. Where this handler has handed it on itself, it is over.
elsewhere:
        cmp     r8d, 2                  # SIGINT
        je      not_ours
        cmp     dword ptr [r9 + 8], -6  # SI_TKILL: a thread sent it
        jne     not_sent
        cmp     qword ptr [rbp + 32], 0
        je      ignored
not_sent:
        cmp     r8d, 11                 # SIGSEGV
        jne     not_ours
        cmp     dword ptr [r9 + 8], 128 # SI_KERNEL: no address came with it
        je      not_ours
        cmp     rax, [r9 + 16]          # si_addr
        jne     not_ours

# Keep what happened, for the message.
ours:
        mov     [rbx + 24], r8          # the signal
        mov     rax, [r10 + 168]
        mov     [rbx + 32], rax         # rip
        mov     rax, [rbx]
        mov     [rbx + 40], rax         # the frame

# The code may have moved fs, and the kernel does not put it back on the way out of a handler.
        mov     r12, r10
        mov     rsi, [rbx + 16]
        mov     edi, 0x1002             #   ARCH_SET_FS
        mov     eax, 158                # arch_prctl
        syscall

# Go on in `recover`, with the stub's stack, the block in rbx, and without the trap, direction and alignment flags.
        mov     rax, [rbx]
        mov     [r12 + 160], rax        # rsp
        mov     [r12 + 128], rbx        # rbx
        lea     rax, [rip + recover]
        mov     [r12 + 168], rax        # rip
        and     qword ptr [r12 + 176], -0x40501
        ret                             # to the restorer, which asks the kernel to go on there

# An interrupt (SIGINT) that finds no call on its own thread is handed to every thread that is in one: it holds the
# interpreter's lock, and nothing else will ever see the interrupt while it does.
not_ours:
        cmp     r8d, 2                  # SIGINT
        jne     previous
        mov     rcx, [rbp + 16]
        lea     rbx, [rbp + BLOCKS]
        mov     eax, 186                # gettid
        mov     r12, rcx                # (syscall destroys rcx)
        syscall
        mov     r13, rax
        mov     r14, r10
        mov     r15, r8
        cmp     dword ptr [r9 + 8], -6  # SI_TKILL: it was sent to this very thread, maybe by these lines
        je      forwarded
next_thread:
        test    r12, r12
        jz      forwarded
        cmp     qword ptr [rbx], 0
        je      not_calling
        cmp     [rbx + 8], r13
        je      not_calling
        mov     eax, 39                 # getpid
        syscall
        mov     rdi, rax
        mov     rsi, [rbx + 8]
        mov     edx, 2
        mov     eax, 234                # tgkill(process, thread, SIGINT)
        syscall
not_calling:
        add     rbx, 64
        dec     r12
        jmp     next_thread
forwarded:
        mov     r10, r14
        mov     r8, r15

# The handler that had the signal before gets it now, as if we were not here.
previous:
        mov     eax, r8d
        shl     eax, 5                  # 32 bytes each
        lea     rbx, [rbp + ACTIONS]
        add     rbx, rax
        mov     rax, [rbx]              # its handler
        cmp     rax, 1
        jb      default                 # 0: SIG_DFL
        je      ignored                 # 1: SIG_IGN

# A handler that reports a fault and then raises the signal again wants to die. If it was put in place after this one,
# the signal comes back here; handing it on once more would go on for ever.
        cmp     r8d, 2                  # SIGINT
        je      hand_on
        cmp     dword ptr [r9 + 8], 0   # si_code: above 0 it is a fault, else it was sent
        jg      fault_goes_on
        cmp     qword ptr [rbp + 32], 0
        jne     default
        jmp     hand_on
fault_goes_on:
        mov     qword ptr [rbp + 32], 1
hand_on:
        mov     rdi, r8
        mov     rsi, r9
        mov     rdx, r10
        jmp     rax
ignored:
        ret

# The default is to die. A fault happens again at once when the handler is gone, and the kernel then tells the truth
# about it; a signal that was sent has to be sent again.
default:
        mov     r13, r8
        mov     r14, r9
        mov     rdi, r8
        lea     rsi, [rip + default_action]
        xor     edx, edx
        mov     r10d, 8
        mov     eax, 13                 # rt_sigaction
        syscall
        cmp     dword ptr [r14 + 8], 0  # si_code: above 0 it came from the kernel
        jg      ignored
        mov     eax, 39                 # getpid
        syscall
        mov     r12, rax
        mov     eax, 186                # gettid
        syscall
        mov     rdi, r12
        mov     rsi, rax
        mov     rdx, r13
        mov     eax, 234                # tgkill
        syscall
        ret

# Where a handler returns to: the kernel puts the interrupted registers back.
restorer:
        mov     eax, 15                 # rt_sigreturn
        syscall

# ---- recover: the thread goes on here after a fault; rsp = the stub's frame, rbx = the block ------------------------

recover:
        mov     rax, [rsp + 112]
        mov     [rbx], rax              # disarmed, or armed for the call around this one
        mov     rax, [rsp + 120]
        dec     qword ptr [rax + 8]     # one call less is running in the code
        cmp     qword ptr [rsp + 136], 0
        je      recovered               # code that cannot change them
        call    put_back
recovered:
        lea     rsi, [rsp + 144]        # the arguments: self
        mov     rdi, METHOD_NAME        # its method
        mov     edx, 1                  # one argument
        xor     ecx, ecx                # no keywords
        mov     rax, PyObject_VectorcallMethod
        call    rax                     # raises: rax = 0
        add     rsp, 152
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbx
        pop     rbp
        ret

# ---- find: rbx = the block of the thread this runs on, 0 if it has none; keeps rax, rdx, xmm0 -----------------------
#
# Stubs come here when fs:[0] is not what it was at the last call: another thread calls, or the code moved fs.

find:
        push    rax
        push    rdx
        mov     eax, 186                # gettid
        syscall
        mov     rbp, DATA
        mov     rcx, [rbp + 16]
        lea     rbx, [rbp + BLOCKS]
find_next:
        test    rcx, rcx
        jz      find_none
        cmp     [rbx + 8], rax
        je      find_found
        add     rbx, 64
        dec     rcx
        jmp     find_next
find_none:
        xor     ebx, ebx
        pop     rdx
        pop     rax
        ret
find_found:
        mov     rsi, [rbx + 16]
        mov     edi, 0x1002             #   ARCH_SET_FS: as it was when the thread was noted
        mov     eax, 158                # arch_prctl
        syscall
        mov     rax, [rbx + 16]
        mov     [rbp], rax
        mov     [rbp + 8], rbx
        pop     rdx
        pop     rax
        ret

# ---- keep: note in the frame what the code finds; the frame lies 8 bytes above rsp; destroys rcx ---------------------

keep:
        sub     rsp, 40
        stmxcsr dword ptr [rsp + 184]   # its upper half is overwritten at once: there are no control bits in it
        fnstenv [rsp]                   # control word, status word, tags: 4 bytes each
        fldcw   word ptr [rsp]          # fnstenv masks every exception
        mov     ecx, [rsp]
        mov     [rsp + 186], cx
        mov     ecx, [rsp + 4]
        mov     [rsp + 188], cx
        mov     ecx, [rsp + 8]
        mov     [rsp + 190], cx
        add     rsp, 40
        ret

# ---- put_back: the controls as they were found; the frame lies 8 bytes above rsp; destroys rcx -----------------------
#
# Values on the x87 stack go, unless they were there before.

put_back:
        sub     rsp, 40
        fnstenv [rsp]
        cmp     word ptr [rsp + 190], -1
        je      emptied
        mov     ecx, [rsp + 8]          # the tags
        cmp     cx, [rsp + 190]
        jne     emptied
        fnclex                          # no exception waits for whoever comes next
        jmp     put_controls
emptied:
        fninit
put_controls:
        fldcw   word ptr [rsp + 186]
        movzx   ecx, word ptr [rsp + 184]
        mov     [rsp], ecx
        ldmxcsr dword ptr [rsp]
        add     rsp, 40
        ret

# ---- tidy: after a call that left something otherwise than it found it --------------------------------------------
#
# The frame lies 8 bytes above rsp; rbx = the block. Says in the block what it was, and puts everything back. Keeps the
# results: rax, rdx, xmm0, xmm1.

tidy:
        pushfq
        pop     rsi
        push    2
        popfq
        xor     edi, edi
        test    esi, 0x400              # direction
        jz      direction_kept
        or      edi, LEFT_DIRECTION
direction_kept:
        test    esi, 0x40000            # alignment check
        jz      alignment_kept
        or      edi, LEFT_ALIGNMENT
alignment_kept:
        cmp     qword ptr [rsp + 144], 0
        je      tidied                  # code that can change nothing else
        mov     rsi, rsp
        sub     rsp, 560
        and     rsp, -64
        fxsave  [rsp]
        fnstenv [rsp + 512]
        movzx   ecx, word ptr [rsp + 24] # MXCSR
        xor     cx, [rsi + 144]
        test    ecx, 0xffc0             # all but the six that say what happened
        jz      mxcsr_kept
        or      edi, LEFT_MXCSR
mxcsr_kept:
        movzx   ecx, word ptr [rsp]     # the x87 control word
        xor     cx, [rsi + 146]
        test    ecx, 0x0f3f             # the bits that mean something
        jz      control_kept
        or      edi, LEFT_X87_CONTROL
control_kept:
        movzx   ecx, word ptr [rsp + 520] # tags
        cmp     cx, [rsi + 150]
        je      stack_kept
        cmp     cx, -1                  # all empty: there is nothing in the way
        je      stack_kept
        or      edi, LEFT_X87_STACK
        test    word ptr [rsp + 2], 0x3800
        jnz     stack_kept              # what uses an MMX register sets the top of the stack to 0,
        movzx   ecx, byte ptr [rsp + 4] #   and what writes one sets all bits of its sign and exponent
        mov     r8, rsp
next_register:
        test    ecx, ecx
        jz      stack_kept
        shr     ecx, 1
        jnc     not_mmx                 # empty
        cmp     word ptr [r8 + 40], -1
        jne     not_mmx
        cmp     word ptr [r8 + 38], 0xc000 # the NaN of an invalid x87 operation, if the rest is 0
        jne     mmx_left
not_mmx:
        add     r8, 16
        jmp     next_register
mmx_left:
        xor     edi, LEFT_X87_STACK + LEFT_MMX
stack_kept:
        mov     rsp, rsi
        or      [rbx + 48], rdi
        jmp     put_back
tidied:
        or      [rbx + 48], rdi
        ret

# ---- buffer: the memory of an array, through Python's buffer protocol ------------------------------------------------
#
# rdi = the object, edx = what is asked of its buffer, r8d = up to four letters its items may have (0: any),
# r9 = the size of an item (0: any);  returns eax = 0 and rcx = the address, or eax = 1: Python finds out why.
# It is let go at once: the caller holds the object, and nothing but the call happens before the caller goes on.

buffer:
        push    rbx
        push    r12
        sub     rsp, 88                 # a Py_buffer: 80 bytes; and the stack stays a multiple of 16
        mov     ebx, r8d
        mov     r12, r9
        mov     rsi, rsp
        mov     rax, PyObject_GetBuffer
        call    rax
        test    eax, eax
        jnz     no_buffer
        test    ebx, ebx
        jz      any_items
        cmp     r12, [rsp + 24]         # itemsize
        jne     other_items
        mov     rax, [rsp + 40]         # format: one letter and a zero byte
        test    rax, rax
        jz      other_items
        cmp     byte ptr [rax + 1], 0
        jne     other_items
        mov     al, [rax]
next_letter:
        cmp     al, bl
        je      any_items
        shr     ebx, 8
        jnz     next_letter
other_items:
        mov     r12d, 1
        jmp     let_go
any_items:
        xor     r12d, r12d
let_go:
        mov     rbx, [rsp]              # the address
        mov     rdi, rsp
        mov     rax, PyBuffer_Release
        call    rax
        mov     eax, r12d
        mov     rcx, rbx
        jmp     buffer_done
no_buffer:
        mov     rax, PyErr_Clear
        call    rax
        mov     eax, 1
buffer_done:
        add     rsp, 88
        pop     r12
        pop     rbx
        ret

# ---- raw: a Python builtin that makes one call, with arguments that Python has converted ----------------------------
#
# rdi = self, rsi = a Python int: the address of 8-byte values: the code, its gate, six integers, eight floating-point
# numbers, then room for rax and for xmm0.

raw:
        push    rbp
        push    rbx
        push    r12
        push    r13
        push    r14
        push    r15
        push    rdi
        sub     rsp, 144
        mov     rdi, rsi
        mov     rax, PyLong_AsVoidPtr
        call    rax
        mov     [rsp], rax              # the values: needed again when no register can be believed
        mov     r13, rax
        mov     rax, fs:[0]
        mov     rbp, DATA
        mov     rbx, [rbp + 8]
        cmp     rax, [rbp]
        je      raw_arm
        call    find                    # native.py has noted the thread: it is found
raw_arm:
        mov     r14, [r13 + 8]
        mov     [rsp + 120], r14
        inc     qword ptr [r14 + 8]     # one call more
        mov     rax, [rbx]
        mov     [rsp + 112], rax
        call    keep
        mov     [rbx], rsp              # armed
        mov     rdi, [r13 + 16]
        mov     rsi, [r13 + 24]
        mov     rdx, [r13 + 32]
        mov     rcx, [r13 + 40]
        mov     r8,  [r13 + 48]
        mov     r9,  [r13 + 56]
        movsd   xmm0, qword ptr [r13 + 64]
        movsd   xmm1, qword ptr [r13 + 72]
        movsd   xmm2, qword ptr [r13 + 80]
        movsd   xmm3, qword ptr [r13 + 88]
        movsd   xmm4, qword ptr [r13 + 96]
        movsd   xmm5, qword ptr [r13 + 104]
        movsd   xmm6, qword ptr [r13 + 112]
        movsd   xmm7, qword ptr [r13 + 120]
        mov     eax, 8
        call    qword ptr [r13]
        mov     rbp, DATA
        mov     rcx, fs:[0]
        mov     rbx, [rbp + 8]
        cmp     rcx, [rbp]
        je      raw_back
        call    find
raw_back:
        mov     rsp, [rbx]
        mov     rcx, [rsp + 112]
        mov     [rbx], rcx              # disarmed
        mov     rcx, [rsp + 120]
        dec     qword ptr [rcx + 8]
        call    tidy
        mov     rcx, [rsp]
        mov     [rcx + 128], rax
        movsd   qword ptr [rcx + 136], xmm0
        add     rsp, 152
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbx
        pop     rbp
        mov     rdi, None_
        mov     rax, Py_NewRef
        jmp     rax

# ---- measure: how many bytes lie before the next zero byte at rdi ---------------------------------------------------
#
# Called through `raw`, so that a pointer that leads nowhere is a fault like any other.

measure:
        xor     eax, eax
measure_next:
        cmp     byte ptr [rdi + rax], 0
        je      measured
        inc     rax
        jmp     measure_next
measured:
        ret

        .balign 8
default_action:
        .quad   0, 0, 0, 0              # SIG_DFL, no flags, no restorer, nothing blocked
