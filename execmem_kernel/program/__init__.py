"""Programs as values: what the assembler makes, and everything above it reads.

program.py     Program, Segment, ListingRow: bytes, segments, labels, which bytes came from which source
diagnostic.py  Diagnostic and Span: what is wrong or doubtful in a source
externs.py     the addresses of names that a program declares `extern`
"""
