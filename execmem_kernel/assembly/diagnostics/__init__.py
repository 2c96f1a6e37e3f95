"""What is said about a source that is wrong: codes, hints and wordings.

source_error.py  SourceError: an error in one line, until its line is known
codes.py         every code with its meaning and a source that triggers it
other_languages.py a cell that is Python, C, or assembly for another machine
hints.py         fix-it hints for habits from C, other processors and other assemblers
att_wording.py   a refusal in the order and spelling of AT&T syntax
"""

from execmem_kernel.program.diagnostic import Diagnostic, Span

__all__ = ["Diagnostic", "Span"]  # pickles of version 0.1 look for them here
