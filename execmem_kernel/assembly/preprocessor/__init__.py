"""The preprocessor: macros, repetition and conditions of NASM and GNU as; lines in, lines out, under caps.

expander.py      Preprocessor: hands out the lines of a source one by one, macros expanded
expansion.py     the state that all directives share: frames being read, open conditions, what is defined
model.py         values: macros, frames, conditions; what the preprocessor asks of its host; caps
conditions.py    .if and %if in all their forms, .else, .endif
repetition.py    .rept, .irp, .irpc and %rep
gnu_macros.py    .macro: definition, arguments by name, calls
nasm_macros.py   %macro: definition, arguments by number, calls, %rotate
defines.py       %define, %assign, %strlen: single-line macros and their substitution
messages.py      %error and %warning; directives that are refused, ignored, or stand alone
arguments.py     arguments cut at commas, quotes and comments respected
substitution.py  what a substitution replaced, for columns that lead back to the source
"""
