"""Why a program stopped, and which rules of the calling convention it broke; no engine, no process.

    Stop --faults.TABLE--> Explanation(cause, row)          FinalState --abi.check--> warnings

faults.py           TABLE, the one table of causes, and `explain`
stop.py             what is known of a stop
context.py          what can be computed from that, for the rules
stack.py, jumps.py, memory.py, instructions.py, traps.py, arithmetic.py, wandering.py
                    the rules, by the kind of cause
returns.py          a `ret` that took something else than the return address
stack_balance.py    what a function has put on the stack and taken off it
values_made.py      where a value came from that is no address
hint_lines.py       lines that a hint tells to write, in the program's syntax
endings.py          causes of endings that are no signals: limits, exits, refused system calls
abi.py              what a function must have kept when it returns
final_state.py      what is known of a return
unset_registers.py  registers that are read before they are written
run_checks.py       what a run proves: values that a call changed, half dividends, a callee's lost stack pointer
loops.py            what the counter of an endless loop did
call_alignment.py   calls with a misaligned stack, as warnings
alignment.py        the stack pointer modulo 16, followed through the code
inner_calls.py      what the functions keep that a program calls inside itself, in a traced run
flags.py            which flags are undefined at the end
flow.py             the control-flow graph
"""
