"""Why an operation cannot be encoded: one plain sentence, the operand to blame, and what to write instead.

refuse.py           all checks, in the order in which they are reported
misspellings.py     unknown mnemonics, size suffixes that contradict the operands
addresses.py        addresses that no instruction takes
register_clashes.py registers that no instruction takes, or not together
decorations.py      masks, zeroing, rounding, broadcasts, registers 16 to 31
prefixes.py         prefixes before instructions that do not take them
operand_kinds.py    operands of kinds that no form takes
operand_sizes.py    sizes that are missing or disagree
immediates.py       numbers that do not fit
comparing.py        operands and slots by kind, sizes apart
phrases.py          how refusals name operands, sizes, numbers and forms
"""
