"""Keystone behind a pipe: the process that may hang or die, and what is done when it does.

    texts --write--> keystone_worker.py, in a process of its own --read--> bytes, or None where it refuses

The child has no environment, no descriptors but the two pipes, a session of its own (Ctrl-C is not for it), limits on
memory and files, and ends when the pipe closes. Every request begins with an instruction whose bytes are known.

An interrupt may come between any two steps: the child is started and noted by C in one step, and reaped and forgotten
in one. What an interrupt leaves half started or half stopped is ended before the next child starts.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections import deque
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from itertools import repeat
from pathlib import Path

from execmem_kernel.errors import EncoderLostError
from execmem_kernel.linux.descriptors import Descriptors

_ANSWER_TIMEOUT_S = 1.0
"""How long the child may be silent: an instruction takes it 30 microseconds, its start 0.1 s on a busy machine."""
_START_TIMEOUT_S = 10.0
_CANARY = "mov eax, 0xa"
_CANARY_CODE = bytes.fromhex("b80a000000")


def _inheritable() -> list[int]:
    """Descriptors that a child would be given, such as those of a shell's: closing one that is gone is no error."""
    found = []
    for number in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # it was the list's own
            if number > 2 and os.get_inheritable(number):
                found.append(number)
    return found


class ChildLost(Exception):
    """The child died, hung or answered wrongly; its one argument is the answers that it gave before."""


class KeystoneChild:
    """The child process that holds Keystone: started when first needed, asked in batches, ended when it misbehaves."""

    def __init__(self) -> None:
        self._children: list[int] = []
        """The process, until it has been waited for."""
        self._pipes = Descriptors()
        self._requests = self._answers = -1
        """Our ends of the two pipes; -1 as long as the child has not been started."""
        self._received = b""
        self._greeted = False

    def start(self) -> None:
        """Start the child; it gets ready while the caller goes on.

        Raises:
            EncoderLostError: Keystone is not installed.
        """
        if self._answers >= 0:
            return
        self.stop()
        spec = find_spec("keystone")
        if spec is None or spec.origin is None:
            raise EncoderLostError("Keystone is not installed: pip install keystone-engine")
        self._received = b""
        self._greeted = False
        arguments = [
            sys.executable, "-I", "-S", "-B", str(Path(__file__).with_name("keystone_worker.py")),
            str(Path(spec.origin).parent.parent),
        ]  # fmt: skip
        theirs, requests = self._pipes.pipe()
        answers, written = self._pipes.pipe()
        actions = [
            (os.POSIX_SPAWN_DUP2, theirs, 0),
            (os.POSIX_SPAWN_DUP2, written, 1),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            *((os.POSIX_SPAWN_CLOSE, number) for number in _inheritable()),
        ]
        spawn = partial(
            os.posix_spawn, file_actions=actions, setsid=True, setsigmask=(), setsigdef=(signal.SIGPIPE, signal.SIGXFSZ)
        )
        self._children.extend(map(spawn, (arguments[0],), (arguments,), ({},)))
        self._pipes.close_one(theirs)
        self._pipes.close_one(written)
        self._requests, self._answers = requests, answers

    def stop(self) -> None:
        """End the child and reap it."""
        self._requests = self._answers = -1
        for child in self._children:
            with contextlib.suppress(ChildProcessError):  # somebody else has waited for it
                # Looked at, and not reaped: so its number cannot become another process's before it is killed.
                if os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
                    os.kill(child, signal.SIGKILL)
                os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(IndexError, ChildProcessError):  # IndexError: how popping the last one ends
            deque(map(os.waitpid, iter(self._children.pop, None), repeat(0)), maxlen=0)
        self._pipes.close()

    def forget(self) -> None:
        """In a forked copy of this process: let go of a child that is the parent's."""
        self._requests = self._answers = -1
        self._children.clear()
        self._pipes.close()

    def send(self, lines: Sequence[str]) -> None:
        """Send a batch; `receive` has the answers.

        Raises:
            ChildLost: It has ended.
            EncoderLostError: Keystone is not installed.
        """
        self.start()
        text = [str(len(lines) + 1), _CANARY, *lines]
        try:
            data = memoryview(("\n".join(text) + "\n").encode("ascii"))
            while data:
                data = data[os.write(self._requests, data) :]
        except BrokenPipeError:
            self.stop()
            raise ChildLost([]) from None

    def receive(self, count: int) -> list[bytes | None]:
        """The bytes for each line of the batch, None where Keystone refuses.

        Raises:
            ChildLost: It died, was silent for too long, or got the canary wrong; with the answers before that.
        """
        descriptor = self._answers
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        found: list[bytes | None] = []
        while len(found) <= count:
            while b"\n" not in self._received:
                timeout_s = _ANSWER_TIMEOUT_S if self._greeted else _START_TIMEOUT_S
                data = os.read(descriptor, 65536) if poll.poll(timeout_s * 1000) else b""
                if not data:
                    self.stop()
                    raise ChildLost(found[1:])
                self._received += data
            *whole, self._received = self._received.split(b"\n")
            found.extend(None if line == b"-" else bytes.fromhex(line.decode()) for line in whole)
            if found[0] != _CANARY_CODE:
                self.stop()
                raise ChildLost([])
            self._greeted = True
        return found[1:]
