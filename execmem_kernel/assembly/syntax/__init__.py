"""The parser: one line of text to a statement, whatever its dialect and syntax.

lines.py               lines, comments over several of them, and where each piece was typed
characters.py          characters that deceive
dialects.py            DialectRules: where assemblers read the same text differently
dialect_detection.py   which dialect a source declares
directives.py          directives by every name they have
words.py               reserved words of instructions and operands
tokens.py              a line to tokens
literals.py            what number tokens and quoted texts are worth
expressions.py         the expression tree
expression_parser.py   tokens to a tree
evaluation.py          a tree to a value
statements.py          Statement and its parts
cursor.py              how far a line has been read
fast_path.py           the commonest lines by pattern
line_parser.py         a line to labels, then an instruction or a directive
label_parser.py        labels
instruction_parser.py  prefixes, mnemonic, operands
intel.py               operands in Intel syntax
intel_operand.py       one of them
att.py                 operands in AT&T syntax
addresses.py           base, index, scale and displacement of an address
lowering.py            a statement to the operation to encode
spelling.py            statements back to text, for hints
separators.py          what stands behind a semicolon
misplaced.py           what cannot begin a line
"""
