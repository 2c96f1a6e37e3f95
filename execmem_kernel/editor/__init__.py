"""What an editor asks while a cell of assembly is typed: text and cursor in, plain values out; nothing runs.

completion            which words can stand at the cursor, the likeliest first
statement_completion  the same where a statement begins
operand_completion    the same in an operand
option_completion     the same on the option line
command_completion    the same behind %execmem
completions           what completion answers
inspection            what the word at the cursor means, in its very line
diagnostics           what is wrong with a cell, as JSON
fixes                 edits that a hint asks for, tried on the assembler

asm_cell              a cell cut where %%asm divides it
context               where the cursor stands in the body
names                 the labels, constants and macros of a cell
cell_program          what assembles of a cell with mistakes in it
operand_fit           the registers that the opcode forms leave possible
register_ranking      which of those is meant
ranking               which mnemonic is meant

register_words, directive_words, prefix_words, snippets    texts
table                 language.json and mnemonics.json, which scripts/language_table.py writes
"""
