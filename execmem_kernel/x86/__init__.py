"""What the processor is: registers, opcode forms, what instructions do; no source text, no process.

registers.py         names, sizes and classes of registers, and which is a part of which
operands.py          an operation with its operands, and its encoding or refusal: what parser and encoder share
addressing.py        the addresses that memory operands mean in a run
forms.py             the opcode forms of each mnemonic, from iced-x86's tables
mnemonics.py         other names for mnemonics, size suffixes, the nearest to a misspelt one
canonical_form.py    an operation under its one name, with every operand that its spelling leaves out
selection.py         the forms that say an operation, in order of preference
effects.py           what an instruction reads, writes and changes
features.py          CPU features that instructions need and that this processor has
instruction_text.py  the text of one instruction from its bytes
disassembler.py      bytes to instructions with labels
"""
