"""Statements to fragments in sections, the symbols between them, and where everything lies.

statement_reader.py first pass: every statement to where it belongs
instructions.py     instructions become code fragments
data.py             directives for data, room and padding
structures.py       NASM's `struc`, `istruc`, `absolute`
section_directives.py, symbol_directives.py   directives about sections and names
arguments.py        the arguments of a directive
numbers.py          numbers as bytes
sections.py         fragments, sections, labels
symbols.py          the symbol table
symbol_hints.py     what was meant by a name that nothing defines
word_hints.py       what was meant by a word that begins a statement
layout.py           addresses, sizes, branch relaxation
lint.py             checks of the finished layout, warnings
dialect_warnings.py what another assembler, or C, would read otherwise
collector.py        all diagnostics of one source
"""
