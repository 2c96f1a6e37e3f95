"""System calls of programs: which are emulated, which are refused and why, how they are logged.

numbers       numbers and names
handlers      SystemCallHandler: a method for each permitted call, in one table
charged_memory  what a program was given and has not given back
verdicts      what can become of a call
reasons       why a call is refused
formatting    a call as text: write(1, "hello", 5)
guest_memory  the protocol of the memory that calls read and write
"""
