"""The calling convention of x86-64 Linux, as far as more than one file needs it.

Source: System V ABI, AMD64 supplement, 3.2.1 "Registers" and 3.2.3 "Parameter Passing".
"""

from __future__ import annotations

INTEGER_ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
"""Where integer and pointer arguments go, in order."""
VECTOR_ARGUMENTS = tuple(f"xmm{number}" for number in range(8))
"""Where floating-point arguments go, in order."""
CALLEE_SAVED = ("rbx", "rbp", "r12", "r13", "r14", "r15")
"""What a function must give back as it was; rsp besides."""
SCRATCH = ("rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")
"""What a function may leave as it likes; rax besides, which holds its result."""
SYSTEM_CALL_ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
"""Where the arguments of a system call go, in order; its number in rax, and its result. Source: the same, A.2.1."""
