"""The words of the assembler's messages: what is wrong with a source, and what to write instead."""

from execmem_kernel.program.diagnostic import Diagnostic, Span

__all__ = ["Diagnostic", "Span"]  # pickles of version 0.1 look for them here
