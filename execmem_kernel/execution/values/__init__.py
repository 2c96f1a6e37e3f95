"""Python's values as the bytes and registers of a program, and back.

addresses.py         where Python's memory lies, and which arguments share it
buffers.py           anything with the buffer protocol
lanes.py             what a vector register is given
xsave.py             the x87 and vector state of a processor
c_types.py           C types: numbers, pointers, structs
conversion.py        arguments for C parameters
prototype.py         a C function's parameters and result
prototype_parser.py  the text of a prototype
"""
