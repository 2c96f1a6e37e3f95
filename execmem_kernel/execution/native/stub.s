# The stub: a function of Python's METH_FASTCALL kind that converts its arguments and calls machine code.
#
# native.py puts a stub together from the pieces below, one after the other, for one prototype. A piece begins with a
# line `#: name`; {words in braces} are filled in. Whatever is not an everyday case (a wrong number of arguments, a
# subclass of int, a number out of range, an array, a region that has been closed) goes to `slow`: Python then does it
# all, or says exactly what is wrong.
#
#     rdi = self, rsi = the arguments (an array of object pointers), rdx = how many;  returns an object, 0 after an error
#
# The frame is drawn in guard.s. While arguments are converted: r12 = the arguments, r13 = how many,
# r14 = the gate, r15 = the type int, rbp = the guard's data, rbx = the type float.

#: entry
        push    rbp
        push    rbx
        push    r12
        push    r13
        push    r14
        push    r15
        push    rdi                     # self
        sub     rsp, 144
        mov     r12, rsi
        mov     r13, rdx
        mov     r14, {gate}
        cmp     rdx, {count}
        jne     slow
        cmp     qword ptr [r14], 0      # closed
        je      slow
        mov     r15, {int_type}
        mov     rbx, {float_type}

# ---- an int: rcx = its value. A small one lies in the object itself, the interpreter is asked for the others.

#: integer
        mov     rdi, [r12 + {argument}]
        cmp     [rdi + 8], r15          # exactly an int
        jne     slow
        mov     rax, [rdi + 16]         # sign and size
{compact}
        mov     ecx, [rdi + 24]         # the digit
        imul    rcx, rax                # its sign: -1, 0 or 1
got_{index}:
{range}
        mov     [rsp + {slot}], rcx

# Python 3.11 keeps the sign and the number of digits in one number: -1, 0 or 1 here.
#: compact_signed_size
        lea     rcx, [rax + 1]
        cmp     rcx, 2
        ja      big_{index}

# Python 3.12 and later keep the number of digits above bit 3, and 0, 1 or 2 for +, 0 and - in the low two bits.
#: compact_tagged_size
        cmp     rax, 16
        jae     big_{index}
        and     eax, 3
        neg     rax
        inc     rax

# What a narrow type cannot hold: extended again from its own width, the number is another one.
#: range_i8
        movsx   rax, cl
        cmp     rax, rcx
        jne     slow
        mov     ecx, ecx                # the upper half of the register is zero, as after `mov edi, -1`
#: range_u8
        movzx   eax, cl
        cmp     rax, rcx
        jne     slow
#: range_i16
        movsx   rax, cx
        cmp     rax, rcx
        jne     slow
        mov     ecx, ecx                # the upper half of the register is zero, as after `mov edi, -1`
#: range_u16
        movzx   eax, cx
        cmp     rax, rcx
        jne     slow
#: range_i32
        movsxd  rax, ecx
        cmp     rax, rcx
        jne     slow
        mov     ecx, ecx                # the upper half of the register is zero, as after `mov edi, -1`
#: range_u32
        mov     eax, ecx
        cmp     rax, rcx
        jne     slow
#: range_bool
        cmp     rcx, 1
        ja      slow
#: range_i64
#: range_u64
        test    rcx, rcx                # a small number: below zero is out of range
        js      slow

# ---- a large int, after the stub's end: the interpreter reads its digits
#: big_signed
big_{index}:
        lea     rsi, [rsp + 112]        # says on which side it does not fit 64 bits
        mov     rax, {PyLong_AsLongLongAndOverflow}
        call    rax
        cmp     dword ptr [rsp + 112], 0
        jne     slow
        mov     rcx, rax
        jmp     got_{index}
#: big_unsigned
big_{index}:
        mov     rax, {PyLong_AsUnsignedLongLong}
        call    rax
        mov     rcx, rax
        cmp     rax, -1                 # an error, or the largest number there is: Python finds out
        jne     fits_{index}
        mov     rax, {PyErr_Clear}
        call    rax
        jmp     slow
fits_{index}:
        mov     [rsp + {slot}], rcx
        jmp     next_{index}
#: after_unsigned
next_{index}:

# ---- a small int where a floating-point number is wanted, after the stub's end
#: whole
whole_{index}:
        cmp     [rdi + 8], r15
        jne     slow
{compact}
        mov     ecx, [rdi + 24]
        imul    rcx, rax
        cvtsi2sd xmm0, rcx
        movq    rax, xmm0
        jmp     got_{index}

# ---- a float: its value lies in the object
#: double
        mov     rdi, [r12 + {argument}]
        mov     rax, [rdi + 16]         # of a float, its value
        cmp     [rdi + 8], rbx          # exactly a float
        jne     whole_{index}
got_{index}:
        mov     [rsp + {slot}], rax
#: float
        mov     rdi, [r12 + {argument}]
        cmp     [rdi + 8], rbx
        jne     slow
        cvtsd2ss xmm0, qword ptr [rdi + 16]
        movd    eax, xmm0
        mov     [rsp + {slot}], rax
        and     eax, 0x7fffffff         # without its sign
        cmp     eax, 0x7f800000         # infinite: perhaps it was not before
        je      slow

# ---- a pointer: None, or exactly bytes (where they are only read) or a bytearray for what is one byte wide, or an array
#: pointer
        mov     rdi, [r12 + {argument}]
        xor     ecx, ecx
        mov     rax, {none}
        cmp     rdi, rax
        je      got_{index}
{bytes}
        mov     edx, {flags}
        mov     r8d, {letters}
        mov     r9d, {size}
        mov     rax, {buffer}
        call    rax
        test    eax, eax
        jnz     slow
got_{index}:
        mov     [rsp + {slot}], rcx
#: pointer_to_const_bytes
        lea     rcx, [rdi + {bytes_start}]
        mov     rax, {bytes_type}
        cmp     [rdi + 8], rax
        je      got_{index}
#: pointer_to_bytes
        mov     rcx, [rdi + {bytearray_start}]
        mov     rax, {bytearray_type}
        cmp     [rdi + 8], rax
        jne     other_{index}
        test    rcx, rcx                # an empty one may have no memory yet, and is no null pointer
        jnz     got_{index}
other_{index}:

# ---- what the code may change of the processor's state, before and after the call; machine_state.py chooses
#: before_nothing
        mov     qword ptr [rsp + 136], 0
#: after_nothing
#: before_controls
        stmxcsr dword ptr [rsp + 136]   # no control bits in its upper half, which is overwritten
        fnstcw  word ptr [rsp + 138]
        fnstsw  word ptr [rsp + 140]
        mov     word ptr [rsp + 142], -1
#: after_controls
        stmxcsr dword ptr [rsp]
        fnstcw  word ptr [rsp + 8]
        fnstsw  word ptr [rsp + 16]
        mov     ecx, [rsp]
        xor     ecx, [rsp + 136]
        test    ecx, 0xffc0             # not those that say what happened
        jnz     untidy
        mov     ecx, [rsp + 8]
        cmp     cx, [rsp + 138]
        jne     untidy
        mov     ecx, [rsp + 16]
        xor     ecx, [rsp + 140]
        test    ecx, 0x3880             # the top of the x87 stack, and whether an exception waits
        jnz     untidy
#: before_everything
        mov     rax, {keep}
        call    rax
#: after_everything
        stmxcsr dword ptr [rsp]
        mov     ecx, [rsp]
        xor     ecx, [rsp + 136]
        test    ecx, 0xffc0
        jnz     untidy
        fnstcw  word ptr [rsp]
        mov     ecx, [rsp]
        cmp     cx, [rsp + 138]
        jne     untidy
        fnstenv [rsp]                   # control word, status word, tags: 4 bytes each
        mov     ecx, [rsp + 4]
        xor     ecx, [rsp + 140]
        test    ecx, 0x3880
        jnz     untidy
        mov     ecx, [rsp + 8]
        cmp     cx, [rsp + 142]         # the tags: which x87 registers hold something
        jne     untidy
        fldcw   word ptr [rsp + 138]    # fnstenv masks every exception

# ---- the call. The guard is armed by noting where the stub's frame is.
#: call
        mov     rbp, {data}
        mov     rax, fs:[0]             # this thread's own address
        cmp     rax, [rbp]              # the thread that called last?
        jne     other
        mov     rbx, [rbp + 8]          # its block
arm:
        mov     [rsp + 120], r14
        mov     [rsp + 128], r12
        inc     qword ptr [r14 + 8]     # one call more is running in the code
        mov     rax, [rbx]
        mov     [rsp + 112], rax
{before}
        mov     [rbx], rsp              # armed
{arguments}
        mov     rax, {target}
        call    rax

# No register is believed now but the result: not even the stack pointer.
        mov     rbp, {data}
        mov     rcx, fs:[0]
        cmp     rcx, [rbp]
        jne     strayed
        mov     rbx, [rbp + 8]
home:
        mov     rsp, [rbx]
        mov     rcx, [rsp + 112]
        mov     [rbx], rcx              # disarmed
        pushfq
        test    dword ptr [rsp], 0x40500 # alignment check, direction, trap: all three must be off
        lea     rsp, [rsp + 8]
        jnz     untidy
{after}
        mov     rcx, [rsp + 120]
        dec     qword ptr [rcx + 8]     # one call less is running in the code
        cmp     qword ptr [rcx], 0      # closed in the meantime, by something that the code called
        je      closing
leave:
        add     rsp, 152
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbx
        pop     rbp

# ---- the result, and what comes after the stub's end
#: rare
strayed:
        mov     rcx, {find}
        call    rcx
        jmp     home
untidy:
        mov     rcx, {tidy}
        call    rcx                     # puts everything back
        mov     rcx, [rsp + 120]
        dec     qword ptr [rcx + 8]     # one call less is running in the code
        mov     rsi, {tidied}           # the method that says it
        jmp     tell
closing:
        mov     rsi, {settle}           # the method that frees the code
tell:
        mov     [rsp], rax              # the result waits
        movsd   qword ptr [rsp + 48], xmm0
        mov     rdi, rsi
        lea     rsi, [rsp + 144]        # self
        mov     edx, 1
        xor     ecx, ecx
        mov     rax, {PyObject_VectorcallMethod}
        call    rax
        test    rax, rax                # 0: it raised
        jz      raised
        mov     rdi, rax
        mov     rax, {Py_DecRef}        # None, which is not needed
        call    rax
        mov     rax, [rsp]
        movsd   xmm0, qword ptr [rsp + 48]
        jmp     leave
other:
        mov     rax, {find}
        call    rax
        test    rbx, rbx
        jnz     arm
#: slow
slow:
        mov     rdi, [rsp + 144]        # self is called with the same arguments
        mov     rsi, r12
        mov     rdx, r13
        xor     ecx, ecx                # no keywords
        mov     rax, {PyObject_Vectorcall}
        call    rax
raised:
        add     rsp, 152
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbx
        pop     rbp
        ret

#: result_i64
        mov     rdi, rax
        mov     rax, {PyLong_FromLongLong}
        jmp     rax
#: result_i32
        movsxd  rdi, eax
        mov     rax, {PyLong_FromLongLong}
        jmp     rax
#: result_i16
        movsx   rdi, ax
        mov     rax, {PyLong_FromLongLong}
        jmp     rax
#: result_i8
        movsx   rdi, al
        mov     rax, {PyLong_FromLongLong}
        jmp     rax
#: result_u64
        mov     rdi, rax
        mov     rax, {PyLong_FromUnsignedLongLong}
        jmp     rax
#: result_u32
        mov     edi, eax
        mov     rax, {PyLong_FromUnsignedLongLong}
        jmp     rax
#: result_u16
        movzx   edi, ax
        mov     rax, {PyLong_FromUnsignedLongLong}
        jmp     rax
#: result_u8
        movzx   edi, al
        mov     rax, {PyLong_FromUnsignedLongLong}
        jmp     rax
#: result_bool
        movzx   edi, al
        mov     rax, {PyBool_FromLong}
        jmp     rax
#: result_double
        mov     rax, {PyFloat_FromDouble}
        jmp     rax
#: result_float
        cvtss2sd xmm0, xmm0
        mov     rax, {PyFloat_FromDouble}
        jmp     rax
#: result_void
        mov     rdi, {none}
        mov     rax, {Py_NewRef}
        jmp     rax
#: result_pointer
        mov     rdi, rax
        test    rax, rax                # a null pointer is None
        jz      null
        mov     rax, {PyLong_FromUnsignedLongLong}
        jmp     rax
null:
        mov     rdi, {none}
        mov     rax, {Py_NewRef}
        jmp     rax
