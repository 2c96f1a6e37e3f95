"""What Linux says about a signal besides its number: si_code. Source: Linux, include/uapi/asm-generic/siginfo.h."""

from __future__ import annotations

SEGV_MAPERR = 1
"""Of a SIGSEGV: nothing is mapped at the address."""
SEGV_ACCERR = 2
"""Of a SIGSEGV: what is mapped there does not allow it."""
TRAP_BRKPT = 1
"""Of a SIGTRAP: the processor's debug exception, as `int1` raises it."""
SI_KERNEL = 128
"""Of any: the kernel says no more. A general protection fault comes like this, without an address; so does `int3`."""
