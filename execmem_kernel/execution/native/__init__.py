"""Machine code called inside this process, as fast as a builtin, with a guard that turns faults into exceptions.

function.py         `native_function`, and `NativeCode`: what stands behind such a function, and its slow way
guard.py, guard.s   signal handlers, threads and code ranges: how a fault becomes an exception
machine_state.py    what code can leave changed of floating point and the flags, and what is said of it
stub.py, stub.s     the machine code that converts arguments and results, for one prototype
fault_sentence.py   what the error of a fault says
ctypes_function.py  what stands in for all this where the interpreter is not one we know
cpython.py          what is relied on of CPython
"""
