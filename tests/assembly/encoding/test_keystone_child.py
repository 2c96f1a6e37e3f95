"""Keystone's process: what it may do, and what happens when it dies, hangs or answers wrongly."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from execmem_kernel.assembly.encoding import keystone_child
from execmem_kernel.assembly.encoding.encoder import CheckedEncoder, default_encoder
from execmem_kernel.errors import EncoderLostError
from execmem_kernel.x86.operands import Encoding, Immediate, Operation, Register
from tests import kernel, running
from tests.assembly.encoding.answers import codes
from tests.memory.interrupting import Interrupter

ROOT = Path(__file__).parents[3]


RAX, RBX, RSP = Register("rax"), Register("rbx"), Register("rsp")


SAMPLE = [Operation("add", (RAX, Immediate(number))) for number in range(40)]


EXPECTED = [bytes.fromhex("4883c0") + bytes([number]) for number in range(40)]


def test_keystone_runs_in_a_child_with_nothing_of_ours(encoder: CheckedEncoder) -> None:
    before = kernel.children()
    encoder.encode(SAMPLE)
    (child,) = kernel.children() - before
    assert sorted(os.listdir(f"/proc/{child}/fd")) == ["0", "1", "2"]
    assert Path(f"/proc/{child}/environ").read_bytes() == b""
    assert os.getsid(child) != os.getsid(0)
    limits = Path(f"/proc/{child}/limits").read_text()
    assert "Max open files            3" in limits
    assert "Max address space         unlimited" not in limits
    encoder.close()
    assert child not in kernel.children()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP])
def test_a_child_that_dies_or_hangs_is_replaced(encoder: CheckedEncoder, number: signal.Signals) -> None:
    before = kernel.children()
    encoder.encode(SAMPLE[:1])
    (child,) = kernel.children() - before
    os.kill(child, number)
    assert codes(encoder.encode(SAMPLE)) == EXPECTED
    assert child not in kernel.children()


def test_a_child_that_never_lives_is_one_clear_error(encoder: CheckedEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(keystone_child.sys, "executable", "/bin/false")
        with pytest.raises(EncoderLostError, match="Keystone"):
            encoder.encode(SAMPLE)
    assert codes(encoder.encode(SAMPLE)) == EXPECTED


class Liar(keystone_child.KeystoneChild):
    """A Keystone that answers everything with the same wrong instruction."""

    def __init__(self, code: bytes) -> None:
        super().__init__()
        self.code = code

    def send(self, lines: Sequence[str]) -> None:
        pass

    def receive(self, count: int) -> list[bytes | None]:
        return [self.code] * count


@pytest.mark.parametrize("code", ["4883c001", "48ffc0", "90", "06", "4883c0ff90", "48"])
def test_bytes_that_say_something_else_are_never_believed(code: str) -> None:
    encoder = CheckedEncoder(Liar(bytes.fromhex(code)))
    assert codes(encoder.encode(SAMPLE[2:])) == EXPECTED[2:]


def test_an_instruction_that_only_kills_keystone_is_still_encoded() -> None:
    class Fragile(keystone_child.KeystoneChild):
        """Dies of one text, with the answers before it given."""

        def send(self, lines: Sequence[str]) -> None:
            self.lines = lines

        def receive(self, count: int) -> list[bytes | None]:
            answers: list[bytes | None] = []
            for line in self.lines:
                if "add rax, 7" in line.split(";"):
                    raise keystone_child.ChildLost(answers)
                answers.append(None)
            return answers

    assert codes(CheckedEncoder(Fragile()).encode(SAMPLE)) == EXPECTED


def test_the_child_ends_with_its_parent_however_that_ends() -> None:
    script = (
        "import signal\n"
        "from execmem_kernel.assembly.encoding.encoder import default_encoder\n"
        "from execmem_kernel.x86.operands import Operation\n"
        "encoder = default_encoder()\n"
        "encoder.encode([Operation('cpuid')])\n"
        "print(encoder._keystone.child._children[0], flush=True)\n"
        "signal.pause()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert running.ends(child), "the child outlived its parent"


def test_a_forked_process_gets_a_child_of_its_own() -> None:
    encoder = default_encoder()
    encoder.encode(SAMPLE[:1])
    fresh = [Operation("sub", (RBX, Immediate(number))) for number in range(50, 60)]
    pid = os.fork()
    if pid == 0:
        try:
            good = [isinstance(answer, Encoding) for answer in encoder.encode(fresh)]
            encoder.close()  # type: ignore[attr-defined]
            os._exit(0 if all(good) else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert codes(encoder.encode(fresh)) == [bytes.fromhex("4883eb") + bytes([number]) for number in range(50, 60)]


def test_an_interrupted_request_does_not_answer_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(count: int) -> list[bytes | None]:
        raise KeyboardInterrupt

    child = keystone_child.KeystoneChild()
    encoder = CheckedEncoder(child)
    try:
        encoder.encode(SAMPLE[:1])
        with monkeypatch.context() as patched:
            patched.setattr(child, "receive", interrupted)
            with pytest.raises(KeyboardInterrupt):
                encoder.encode(SAMPLE[1:20])
        assert codes(encoder.encode(SAMPLE)) == EXPECTED
    finally:
        encoder.close()


def test_an_interrupt_while_the_child_starts_or_stops_leaves_no_process_and_no_pipe() -> None:
    """At every instruction of the child's own code, as the tracer of tests/memory/interrupting.py finds them."""
    children, files = kernel.children(), kernel.open_files()
    child = keystone_child.KeystoneChild()
    for verb in (child.start, child.stop):
        place = 0
        while True:
            if verb == child.stop:
                child.start()
            interrupter = Interrupter(KeyboardInterrupt, place, within=(keystone_child.__file__,))
            with contextlib.suppress(KeyboardInterrupt), interrupter.at_work():
                verb()
            child.stop()
            assert kernel.children() == children, interrupter.where
            assert kernel.open_files() == files, interrupter.where
            if not interrupter.raised:
                break
            place += 3
