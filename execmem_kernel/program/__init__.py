"""Programs as values: what the assembler makes, and everything above it reads.

program.py     Program, Segment, ListingRow: bytes, segments, labels, which bytes came from which source
diagnostic.py  Diagnostic and Span: what is wrong or doubtful in a source
shown.py       how a value shows itself where no extension is loaded
externs.py     the addresses of names that a program declares `extern`
"""
