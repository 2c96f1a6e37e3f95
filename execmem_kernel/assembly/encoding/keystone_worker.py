"""The encoder's child process: Keystone alone, in a process that may hang or die.

Run as a script, by path, with the folder of the keystone package as its only argument; imports nothing of ours.
A request is a line with a count and that many lines of text, each an instruction or several between semicolons; the
answer is as many lines: hexadecimal bytes, or "-" where not every instruction of the line gave some.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

_MEMORY = 512 << 20
"""Bytes of address space: Python and Keystone need a third of it; `.space`-like runaway needs more than all."""
_PATIENCE_S = 2.0
"""The child's own deadline for a request: Keystone loops in C, where no handler runs and no end-of-file is seen."""


def main(package_folder: str) -> None:
    """Answer requests until the pipe closes."""
    os.chdir("/")
    sys.path.append(package_folder)
    from keystone import KS_ARCH_X86, KS_MODE_64, Ks, KsError

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    # No ks_option() ever: any call of it sets the radix to 16.
    engine = Ks(KS_ARCH_X86, KS_MODE_64)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := requests.readline():
        lines = [requests.readline() for _ in range(int(head))]
        # SIGALRM has its default action here, death, which needs no cooperation from the loop it ends.
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE_S)
        for line in lines:
            try:
                code, count = engine.asm(line, 0, as_bytes=True)
            except KsError:
                code, count = None, 0
            whole = code and count == line.count(b";") + 1
            answers.write(code.hex().encode() + b"\n" if whole else b"-\n")
            answers.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    main(sys.argv[1])
