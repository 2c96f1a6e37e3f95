"""Keystone behind a pipe: the process that may hang or die, and what is done when it does.

    texts --write--> keystone_worker.py, in a process of its own --read--> bytes, or None where it refuses

The child has no environment, no descriptors but the two pipes, a session of its own (Ctrl-C is not for it), limits on
memory and files, and ends when the pipe closes. Every request begins with an instruction whose bytes are known.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from execmem_kernel.errors import EncoderLostError

_ANSWER_TIMEOUT_S = 1.0
"""How long the child may be silent: an instruction takes it 30 microseconds, its start 0.1 s on a busy machine."""
_START_TIMEOUT_S = 10.0
_CANARY = "mov eax, 0xa"
_CANARY_CODE = bytes.fromhex("b80a000000")


class ChildLost(Exception):
    """The child died, hung or answered wrongly; its one argument is the answers that it gave before."""


class KeystoneChild:
    """The child process that holds Keystone: started when first needed, asked in batches, ended when it misbehaves."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._received = b""
        self._greeted = False

    def start(self) -> None:
        """Start the child; it gets ready while the caller goes on.

        Raises:
            EncoderLostError: Keystone is not installed.
        """
        if self._process is not None:
            return
        spec = find_spec("keystone")
        if spec is None or spec.origin is None:
            raise EncoderLostError("Keystone is not installed: pip install keystone-engine")
        self._received = b""
        self._greeted = False
        self._process = subprocess.Popen(
            [
                sys.executable, "-I", "-S", "-B", str(Path(__file__).with_name("keystone_worker.py")),
                str(Path(spec.origin).parent.parent),
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
            cwd="/", env={}, start_new_session=True,
        )  # fmt: skip

    def stop(self) -> None:
        """End the child and reap it."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            self._close_pipes(process)

    def forget(self) -> None:
        """In a forked copy of this process: let go of a child that is the parent's."""
        process, self._process = self._process, None
        if process is not None:
            process.returncode = 0  # not ours to wait for, and Popen would warn about that
            self._close_pipes(process)

    @staticmethod
    def _close_pipes(process: subprocess.Popen[bytes]) -> None:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def send(self, lines: Sequence[str]) -> None:
        """Send a batch; `receive` has the answers.

        Raises:
            ChildLost: It has ended.
            EncoderLostError: Keystone is not installed.
        """
        self.start()
        assert self._process is not None
        assert self._process.stdin is not None
        text = [str(len(lines) + 1), _CANARY, *lines]
        try:
            data = memoryview(("\n".join(text) + "\n").encode("ascii"))
            while data:
                data = data[self._process.stdin.write(data) :]
        except BrokenPipeError:
            self.stop()
            raise ChildLost([]) from None

    def receive(self, count: int) -> list[bytes | None]:
        """The bytes for each line of the batch, None where Keystone refuses.

        Raises:
            ChildLost: It died, was silent for too long, or got the canary wrong; with the answers before that.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
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
