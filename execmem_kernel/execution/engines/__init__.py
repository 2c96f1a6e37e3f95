"""Engines: each runs a Call in a process of its own and returns the Outcome.

choice                 DefaultEngine: which engine runs a program where none is named
ptrace_engine          watches the process from outside, with ptrace
self_reporting_engine  has the process report for itself, where ptrace is refused
run                    Run: one run from its first registers to its outcome, shared by both
initial_registers      what registers hold when a program starts
refusals               what the host refuses in the middle of a run, as our errors
canaries               buffers that were written beside
argument_places        arguments of a C function in a call: addresses inside buffers
placed_run             runs a call with its code in a region of a memory manager
"""
