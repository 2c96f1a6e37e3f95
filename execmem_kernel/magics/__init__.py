"""`%%asm` and `%execmem`: options in, the pipeline walked, a report shown.

extension     loading and unloading
session       `%%asm`: what one shell has of it
options       the option line: parser, combinations, help
values        values for registers: `rdi=40 rsi=text`
commands      `%execmem` and its subcommands
editor        completion, inspection and diagnostics for cells of assembly
"""
