"""Every system call that this package makes itself: typed, checked, and nowhere else; what a port would replace.

memory        mappings, memory files, /proc/self/maps
process       child processes: posix_spawn, ptrace, waiting
signals       signal handlers and their stacks
descriptors   open files that no interrupt can lose
limits        resource limits
libc          the door to the C library, by ctypes
"""
