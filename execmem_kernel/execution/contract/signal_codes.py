"""What Linux says about a signal besides its number: si_code."""

from __future__ import annotations

SEGV_MAPERR, SEGV_ACCERR, SI_KERNEL = 1, 2, 128
"""si_code of a SIGSEGV: nothing is mapped there, it is mapped otherwise, or the processor gave no address."""
