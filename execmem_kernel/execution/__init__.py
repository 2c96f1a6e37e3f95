"""Running a program in a process of its own, and saying what happened.

contract/    what a call, an outcome, a trace and an engine are
syscalls/    which system calls a program may make, and what they answer
values/      Python's values as C arguments, buffers and vector registers, and back
embedded/    machine code of ours that runs in this process
process/     a program's own process: address space, start, stops, clocks
diagnosis/   from a stop to its cause; the calling convention
libc/        the host's C library, lent to a program
trace/       single steps
engines/     the two engines, and which of them a host allows
native/      functions in this process, by choice
api/         run, function, bench
"""
