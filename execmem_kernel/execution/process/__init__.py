"""A program's process: planned, started, read and written from outside.

address_space         plans mappings, contents, buffers and the initial stack
guest                 Guest: a process that ptrace watches
self_reporting_guest  SelfReportingGuest: a process that reports for itself, in memory files
self_reporting_child  its child process, with the verbs of one that is traced
stops                 what wait statuses and signals mean
clocks                a clock outside the process, for stepped runs
interrupts            signals to the notebook, held while a run must not be interrupted
affinity              one processor for the process and the thread that watches it
elf_image             the executable that the process starts from
executable_file       where that executable lies: in memory, or in the cache folder
runner, runner.s      its code: builds the address space, limits, clocks, filter; reports where ptrace is refused
nondeterminism        instructions that differ from run to run, and what they are answered
seccomp_filter        the filters that report system calls
launcher, launcher.s  starts processes faster than posix_spawn
"""
