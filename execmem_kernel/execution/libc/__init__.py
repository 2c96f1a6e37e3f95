"""The C library in a program's process, for programs that declare functions of it with `extern`.

library.py       `library_for` and `Library`: the library beside one program, from its files to the flush at the end
loader.py        runs the host's loader in the program's process, and answers its system calls
host_files.py    the host's own libraries: their files, headers and symbols
link_table.py    what the loader links: an ELF in memory with the names that the program calls, stubs and gates
declarations.py  which names may be declared
system_calls.py  the library's own system calls while the program runs
faults.py        causes of stops inside it
constants.py     where everything lies, and numbers of elf.h
"""
