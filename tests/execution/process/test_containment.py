"""Whatever a program does, the notebook lives, and nothing of the program is left."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import execmem_kernel as em
from execmem_kernel.execution.contract.address_map import STACK_END
from execmem_kernel.execution.process import launcher
from execmem_kernel.linux import process as linux_process
from tests import kernel, running

SHORT = em.Limits(wall_s=0.15)

ATTACKS = {
    "null read": "mov rax, [0]",
    "null write": "mov qword ptr [0], 1",
    "write to its own code": "x: lea rax, [rip+x]\nmov qword ptr [rax], 0",
    "jump to garbage": "mov rax, 0x123456789\njmp rax",
    "undefined instruction": "ud2",
    "breakpoint": "int3",
    "halt": "hlt",
    "division by zero": "xor ecx, ecx\ndiv ecx",
    "endless loop": "l: jmp l",
    "endless loop with interrupts off": "cli\nl: jmp l",
    "endless recursion": "f: call f",
    "destroyed stack pointer": "xor esp, esp\npush rax",
    "stack pointer in the code": "lea rsp, [rip]\ncall rax",
    "overwrites all of its stack": "mov rdi, rsp\nand rdi, -4096\nmov rcx, 0x100000\nstd\nrep stosq\nret",
    "execve": "mov eax, 59\nsyscall",
    "fork bomb": "l: mov eax, 57\nsyscall\njmp l",
    "clone": "mov eax, 56\nmov edi, 0x100\nsyscall",
    "kill everybody": "mov edi, -1\nmov esi, 9\nmov eax, 62\nsyscall",
    "kill the parent": "mov eax, 110\nsyscall\nmov edi, eax\nmov esi, 9\nmov eax, 62\nsyscall",
    "trace the parent": "mov edi, 16\nmov esi, 1\nmov eax, 101\nsyscall",
    "write into the parent": "mov eax, 311\nsyscall",
    "open a file": 'lea rdi, [rip+p]\nmov eax, 2\nsyscall\nret\np: .asciz "/etc/passwd"',
    "remove a file": 'lea rdi, [rip+p]\nmov eax, 87\nsyscall\nret\np: .asciz "/etc/passwd"',
    "a socket": "mov edi, 2\nmov esi, 1\nmov eax, 41\nsyscall",
    "an io_uring": "mov eax, 425\nsyscall",
    "a bpf program": "mov eax, 321\nsyscall",
    "a filter of its own": "mov eax, 317\nsyscall",
    "undoing no_new_privs": "mov edi, 38\nmov eax, 157\nsyscall",
    "a signal handler": "mov edi, 11\nmov eax, 13\nsyscall",
    "a forged signal frame": "mov eax, 15\nsyscall",
    "disarming its clock": "xor edi, edi\nxor esi, esi\nmov eax, 38\nsyscall",
    "raising its limits": "mov eax, 160\nsyscall",
    "making its code writable": "x: lea rdi, [rip+x]\nmov esi, 4096\nmov edx, 7\nmov eax, 10\nsyscall",
    "executable memory": "xor edi, edi\nmov esi, 4096\nmov edx, 7\nmov r10d, 0x22\nmov eax, 9\nsyscall",
    "memory over its code": "x: lea rdi, [rip+x]\nmov esi, 4096\nmov edx, 3\nmov r10d, 0x32\nmov eax, 9\nsyscall",
    "all the memory": "l: xor edi, edi\nmov esi, 0x40000000\nmov edx, 3\nmov r10d, 0x22\nmov eax, 9\nsyscall\njmp l",
    "unmapping itself": "xor edi, edi\nmov rsi, 0x7ffffffff000\nmov eax, 11\nsyscall",
    "moving its memory": "mov eax, 25\nsyscall",
    "closing descriptors": "xor edi, edi\nmov esi, -1\nmov eax, 436\nsyscall",
    "writing to a descriptor it guesses": (
        "mov ebx, 3\nl: mov edi, ebx\nmov rsi, rsp\nmov edx, 8\nmov eax, 1\nsyscall\ninc ebx\ncmp ebx, 300\njb l\nret"
    ),
    "a flood of output": "l: mov eax, 1\nmov edi, 1\nmov rsi, rsp\nand rsi, -4096\nmov edx, 4096\nsyscall\njmp l",
    "a flood of system calls": "l: mov eax, 39\nsyscall\njmp l",
    "reading without end": "l: xor eax, eax\nxor edi, edi\nmov rsi, rsp\nmov edx, 8\nsyscall\njmp l",
    "sleeping": "mov eax, 34\nsyscall",
    "waiting on a futex": "mov eax, 202\nsyscall",
    "the 32-bit interface": "mov eax, 1\nint 0x80",
    "the x32 interface": "mov eax, 0x40000039\nsyscall",
    "32-bit mode": "push 0x23\nlea rax, [rip+x]\npush rax\nretfq\nx: mov eax, 1\nint 0x80",
    "the vsyscall page": "mov rax, 0xffffffffff600000\ncall rax",
    "a system call of its runner": "mov eax, 57\nmov ecx, 0x7fe000d0\njmp rcx",
    "a faked success": "mov eax, 231\nxor edi, edi\nsyscall",
    "the trap flag": "pushfq\nor dword ptr [rsp], 0x100\npopfq\nnop\nret",
    "alignment checks": "pushfq\nor dword ptr [rsp], 0x40000\npopfq\nmov eax, [rsp+1]\nret",
    "no thread storage": "mov eax, 5\nwrfsbase rax\nret",
    "flags nobody expects": "std\npushfq\nor dword ptr [rsp], 0x244000\npopfq\nret",
    "every register destroyed": "mov rbx, -1\nmov rbp, rbx\nmov rsp, rbx\nmov r12, rbx\nmov r15, rbx\nret",
    "a debug register": "mov rax, 1\nmov dr7, rax",
    "a bad segment": "mov eax, 0x1234\nmov ss, eax",
    "nothing at all to return to": "add rsp, 8\nret",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_ends_and_leaves_nothing(name: str, nothing_left: None) -> None:
    outcome = em.run(ATTACKS[name], limits=SHORT)
    assert outcome.report()
    assert em.run("mov eax, 42\nret").registers["rax"] == 42
    if name not in ("no thread storage", "flags nobody expects", "writing to a descriptor it guesses"):
        assert not isinstance(outcome, em.Returned)


@contextlib.contextmanager
def _running(source: str) -> Iterator[int]:
    """An endless program in another thread; gives its process id once it is past the runner."""
    stop = threading.Event()
    thread = threading.Thread(target=lambda: (em.run(source, limits=running.ENDLESS), stop.set()))
    known = kernel.children()
    thread.start()
    found = None
    while found is None and not stop.is_set():
        for child in kernel.children() - known:
            with contextlib.suppress(OSError):
                mapped = any(each.end == STACK_END for each in kernel.mappings(child))
                if mapped and kernel.processor_ticks(child) >= 3:  # the runner takes a fraction of one
                    found = child
    assert found is not None
    try:
        yield found
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(found, signal.SIGALRM)
        thread.join()


def test_no_page_is_ever_writable_and_executable_here_or_there() -> None:
    with _running("section .data\nx: dq 1\nsection .text\nl: jmp l") as pid:
        assert kernel.mappings(pid)
        assert kernel.writable_and_executable(pid) == []
        assert kernel.writable_and_executable() == []


def test_a_program_has_nothing_of_the_notebooks() -> None:
    with _running("l: jmp l") as pid:
        names = [each.path for each in kernel.mappings(pid)]
        assert names
        assert not any(name.endswith(".so") or "python" in name for name in names)
        assert not any("[heap]" in name or "[vdso]" in name or "[stack]" in name for name in names)
        assert Path(f"/proc/{pid}/environ").read_bytes() == b""
        assert os.listdir(f"/proc/{pid}/fd") == []
        status = Path(f"/proc/{pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        assert "Seccomp:\t2" in status
        assert os.getsid(pid) == pid


def test_programs_run_from_several_threads_at_once(nothing_left: None) -> None:
    program = em.assemble("mov ecx, 100000\nl: dec ecx\njnz l\nlea rax, [rdi+rdi]\nret")
    results: dict[int, int] = {}

    def work(start: int) -> None:
        for number in range(start, start + 10):
            results[number] = em.run(program, registers={"rdi": number}).registers["rax"]

    threads = [threading.Thread(target=work, args=(10 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: 2 * number for number in range(40)}


def test_a_program_dies_with_the_notebook() -> None:
    done = running.script("""
        import os, threading
        import execmem_kernel as em
        from execmem_kernel.execution.contract.address_map import STACK_END
        from tests import kernel, running
        threading.Thread(target=em.run, args=("l: jmp l",), kwargs={"limits": running.ENDLESS}, daemon=True).start()
        while True:
            for child in kernel.children():
                if any(each.end == STACK_END for each in kernel.mappings(child)):
                    print(child, flush=True)
                    os.kill(os.getpid(), 9)
    """)
    assert running.ends(int(done.stdout)), "the program outlived the notebook"


def test_a_host_that_executes_no_memory_files_gets_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = em.assemble("mov eax, 42\nret")
    spawn = linux_process.Child.spawn

    def refuse(child: linux_process.Child, path: str, *rest: Any) -> None:
        if path.startswith("/proc/"):
            raise PermissionError(errno.EACCES, "posix_spawn: Permission denied")
        spawn(child, path, *rest)

    def refuse_to_launch(*_: Any) -> None:
        raise PermissionError(errno.EACCES, "execveat: Permission denied")

    monkeypatch.setattr(linux_process.Child, "spawn", refuse)
    monkeypatch.setattr(linux_process.Child, "launch", refuse_to_launch)
    monkeypatch.setattr(launcher, "_refused", launcher._refused)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert em.run(program).registers["rax"] == 42
    assert list((tmp_path / "execmem_kernel").iterdir()) == []


def test_a_signal_from_outside_does_not_reach_the_program() -> None:
    with _running("l: jmp l") as pid:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            os.kill(pid, number)
        computed = kernel.processor_ticks(pid)
        while kernel.processor_ticks(pid) < computed + 3:  # a process that ends computes nothing any more
            assert kernel.state(pid) in ("R", "t")
