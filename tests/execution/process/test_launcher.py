"""Processes are started by machine code of ours as posix_spawn would start them, or by posix_spawn."""

from __future__ import annotations

import errno
import os
import signal
import struct

import pytest

import execmem_kernel as em
from execmem_kernel.execution.process import executable_file, launcher
from execmem_kernel.linux import process as linux_process


def test_the_launcher_starts_what_posix_spawn_would(nothing_left: None) -> None:
    """The same executable by both ways: the same session, descriptors, signals and exit, and nothing else changed."""
    start = launcher.launcher(at_once=True)
    assert start is not None
    read, write = os.pipe2(os.O_CLOEXEC)
    with executable_file.opened(_executable(REPORTER)) as file:
        told = []
        for by in ("launch", "spawn"):
            child = linux_process.Child()
            held = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
            if by == "launch":
                child.launch(start, file, {write: 5, read: read}, frozenset({10, 34}))
            else:
                child.spawn(f"/proc/self/fd/{file}", {write: 5, read: read}, frozenset({10, 34}))
            assert signal.pthread_sigmask(signal.SIG_SETMASK, held) == {*held, signal.SIGUSR1}
            assert os.WEXITSTATUS(child.wait()) == 7
            told.append(os.read(read, 64))
    os.close(read)
    os.close(write)
    assert told[0] == told[1]
    session_is_own, blocked = struct.unpack("<QQ", told[0])
    assert session_is_own == 1
    assert blocked == 1 << 9 | 1 << 33


REPORTER = """
mov eax, 124            # getsid
xor edi, edi
syscall
mov rbx, rax
mov eax, 39             # getpid
syscall
xor ecx, ecx
cmp rax, rbx
sete cl
push rcx                # room for the mask
push rcx
mov eax, 14             # rt_sigprocmask: what is blocked
xor edi, edi
xor esi, esi
lea rdx, [rsp + 8]
mov r10d, 8
syscall
mov eax, 1              # write
mov edi, 5
mov rsi, rsp
mov edx, 16
syscall
mov eax, 231            # exit_group
mov edi, 7
syscall
"""


def _executable(source: str) -> bytes:
    """A static ELF of one segment."""
    code = em.assemble(source, address=0x400000).code
    header = struct.Struct("<16sHHIQQQIHHHHHH" + "IIQQQQQQ")
    size = header.size + len(code)
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    return (
        header.pack(
            *(identity, 2, 62, 1, 0x400000 + header.size, 64, 0, 0, 64, 56, 1, 0, 0, 0),
            *(1, 5, 0, 0x400000, 0x400000, size, size, 0x1000),
        )
        + code
    )


def test_what_the_launcher_cannot_start_leaves_no_process_and_one_error(nothing_left: None) -> None:
    start = launcher.launcher(at_once=True)
    assert start is not None
    with executable_file.opened(b"no executable at all") as file:
        child = linux_process.Child()
        with pytest.raises(OSError, match="Exec format error"):
            child.launch(start, file, {}, frozenset())
        assert child.pid == 0
        with pytest.raises(OSError, match="Bad file descriptor"):
            child.launch(start, file, {999: 3}, frozenset())
        child.end()


def test_a_host_without_the_launchers_system_calls_runs_programs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "_refused", launcher._refused)
    monkeypatch.setattr(launcher, "launcher", lambda: lambda table: errno.ENOSYS)
    assert em.run("mov eax, 42\nret").registers["rax"] == 42
    assert launcher._refused == os.getpid()
