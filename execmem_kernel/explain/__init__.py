"""One plain sentence for any instruction.

explain.py          the sentence, put together; what the tables say where there is no sentence
families.py         rules for instructions whose sentence depends on more than the operands
vector_words.py     rules for vector instructions
templates.py        a sentence for each other mnemonic
clauses.py          what is added: flags, mask, rounding, the rest of the destination
conditions.py       condition codes in words
operands.py         operands in words
"""
