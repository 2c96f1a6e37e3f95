"""Runs programs one instruction at a time, and records what each step did.

stepping                   SingleStepper: takes the steps, and hides them from the program
stepped_run                the protocol of the run that is stepped
decoded                    what stepping over one instruction takes
recorder                   Recorder: states, memory and vector registers of each step
stepping_loop, recorder.s  the same in machine code, for plain instructions
log                        which steps are held: the first, the last, samples between
comparison                 memory before and after a call into the C library
"""
