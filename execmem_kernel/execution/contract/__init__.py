"""What goes into a run and what comes out of it: plain values, whatever engine runs the program.

engine              the protocol of an engine: a Call in, an Outcome out
call                Call, Limits, Buffer: what a run is given
outcome             Outcome and its kinds: Returned, Faulted, TimedOut, Exited
details             parts of an outcome: warnings, system calls, what happened to its memory
cause               why a program stopped: the names of all causes
registers           register values at one instant
pointers            a pointer as text: code+0x12, stack-8
trace               Trace, Step, Loop: what a program did, step by step
stretch             consecutive steps as columns
traced_instruction  an instruction that was stepped over, and what it may write
trace_memory        memory at one instant of a trace, as far as it is known
trace_file          traces in files
address_map         where everything lies in a program's process
calling_convention  the registers of the System V ABI
signal_codes        what Linux says about a signal besides its number
"""
