"""Text to bytes: a source in any of four spellings to a `Program`, or every diagnostic at once.

assembler.py        `assemble`: the passes over one source, in order
hidden_instructions.py  warnings of instructions that a semicolon made comments
instruction_pass.py second pass: instructions encoded, branches grown, until no size changes
fixups.py           values in data that only the layout knows
refusal_report.py   a refusal of the encoder as a diagnostic
listing.py          the finished `Program` and its listing
nops.py             padding between instructions

diagnostics/        errors in one line, codes, hints
syntax/             one line of text to a `Statement`
preprocessor/       macros, repetition, conditions: lines to lines
encoding/           an `Operation` to checked bytes
semantics/          statements to fragments in sections, symbols, layout
"""
