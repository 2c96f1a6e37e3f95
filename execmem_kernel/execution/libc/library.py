"""The C library in a program's process, for programs that say `extern puts` and call it.

No compiler and no dynamic executable are involved. The runner maps the host's own loader (ld-linux) and C library
from their files, beside the program, and installs the seccomp filter as ever; then the loader runs, already behind that
filter, and every system call it makes is answered by us (loader.py). What it links is a table made here, an ELF in
memory that names the functions the program declares (link_table.py). So addresses are the same in every run, whatever
the host randomises.

    program --call puts--> stub (program/externs.py) --> gate: notes the caller and the arguments --> puts

The C library's own system calls are answered like the program's own, with a few more that it needs (system_calls.py).
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable, Iterator, Mapping

from execmem_kernel.execution.contract.address_map import RETURN, STACK_END, STACK_LOWEST
from execmem_kernel.execution.contract.calling_convention import SYSTEM_CALL_ARGUMENTS
from execmem_kernel.execution.contract.cause import Cause, Explanation
from execmem_kernel.execution.libc.constants import LIBC_BASE, LIBM_BASE, LOADER_BASE, LOADER_STACK, LOADER_STACK_SIZE
from execmem_kernel.execution.libc.declarations import check_declarations
from execmem_kernel.execution.libc.faults import LibraryCall, LibraryStop, explain_bad_callback, explain_stop
from execmem_kernel.execution.libc.host_files import OpenLibrary, host_libraries, open_library
from execmem_kernel.execution.libc.link_table import NOTED, LinkTable, build_link_table
from execmem_kernel.execution.libc.loader import INITIAL_RFLAGS, Loader
from execmem_kernel.execution.process import interrupts
from execmem_kernel.execution.process.address_space import PlannedMapping
from execmem_kernel.execution.process.guest import Guest
from execmem_kernel.execution.process.stops import SECCOMP_STOP
from execmem_kernel.execution.syscalls.handlers import SystemCallHandler
from execmem_kernel.execution.syscalls.verdicts import Answered, Carried, Exhausted, Verdict
from execmem_kernel.linux import process as linux_process
from execmem_kernel.linux.descriptors import Descriptors
from execmem_kernel.program.program import ListingRow, Program
from execmem_kernel.x86.registers import MASK

_SEARCHED = 64 * 1024
"""Bytes of the stack that are searched for the call that a stop happened in."""
_CALL = b"\xe8"
"""The opcode of a call of a known address."""


class Library:
    """The C library beside one program, from its files to the flush at the end."""

    def __init__(self, program: Program, opened: tuple[OpenLibrary, ...], table: LinkTable) -> None:
        self.program = program
        self.table = table
        self._opened = opened
        self._loader = Loader(opened, table)
        self.thread_pointer: int = 0
        self.stack_start: int = 0
        """Where the program's stack begins, which a run says."""

    @property
    def mappings(self) -> tuple[PlannedMapping, ...]:
        """What the runner maps for it."""
        return (*(mapping for one in self._opened for mapping in one.mappings()), *self.table.mappings)

    @property
    def contents(self) -> tuple[tuple[int, bytes], ...]:
        """What is written there before anything runs: address and bytes."""
        return (*self.table.contents, *self._loader.contents)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the runner needs open, under the same numbers."""
        return tuple(one.descriptor for one in self._opened)

    def load(self, guest: Guest) -> None:
        """Let the loader link everything; the process stops where the program would begin.

        Raises:
            EngineUnavailableError: The loader gave up.
            WorkerLostError: It did what no loader does.
        """
        self.thread_pointer = self._loader.run(guest)

    # ---- what the program did with it

    def within(self, address: int) -> bool:
        """Whether an address lies in the library's code, or in the stubs that lead to it."""
        in_stubs = self.table.stubs[0] <= address < self.table.stubs[1]
        return in_stubs or any(one.base <= address < one.end for one in self._opened)

    def keeps_to_itself(self, name: str, address: int, verdict: Verdict) -> bool:
        """Whether a system call is the library's own housekeeping, which differs from one glibc to the next.

        Args:
            name: The system call.
            address: Where it was made.
            verdict: What became of it.
        """
        of_interest = name in ("write", "writev", "read", "exit_group") or not isinstance(verdict, (Answered, Carried))
        return self.within(address) and not of_interest

    def misaligned_call(self, guest: Guest) -> int | None:
        """Where the first call with a stack that was not 16-aligned would have come back to."""
        return int.from_bytes(guest.read(self.table.notes + 8 * len(NOTED), 8), "little") or None

    def last_call(self, guest: Guest, raw: Mapping[str, int]) -> LibraryCall | None:
        """The call that a stop inside the library happened in."""
        noted = dict(zip(NOTED, struct.unpack("<6Q", guest.read(self.table.notes, 48)), strict=True))
        stack = noted.pop("rsp")
        if raw["rsp"] <= stack:
            back = guest.read(stack, 8)
            found = self._call_at(int.from_bytes(back, "little")) if len(back) == 8 else None
            if found is not None:
                return LibraryCall(found[0], found[1], stack, noted)
        # The call that was noted has returned, from a function that the library called back: look for an older one.
        words = guest.read(raw["rsp"], min(_SEARCHED, max(0, _stack_end(raw["rsp"]) - raw["rsp"])))
        for index in range(0, len(words) - 7, 8):
            found = self._call_at(int.from_bytes(words[index : index + 8], "little"))
            if found is not None:
                return LibraryCall(found[0], found[1], raw["rsp"] + index, {})
        return None

    def _call_at(self, back: int) -> tuple[str, ListingRow | None] | None:
        """The function and the row of a call that would return to `back`."""
        row = self.program.row_at(back - 1)
        if row is None or row.kind != "instruction" or row.address + row.size != back:
            return None
        names = {address: name for name, address in self.program.externs.items()}
        if row.code[:1] == _CALL:
            target = back + int.from_bytes(row.code[-4:], "little", signed=True)
            return (names[target], row) if target in names else None
        return ("the C library", row) if row.text.startswith("call") else None

    def explain(
        self, guest: Guest, stopped: tuple[str, int, int], raw: Mapping[str, int], described: Callable[[int], str]
    ) -> Explanation:
        """Why the program was stopped inside the library: which line called what, with which arguments.

        Args:
            guest: The stopped process.
            stopped: The signal's name, its si_code and si_addr.
            raw: The registers.
            described: How a number is shown.
        """
        stop = LibraryStop(*stopped, raw, self.stack_start, self.thread_pointer, described)
        return explain_stop(stop, self.last_call(guest, raw))

    def jumped_out(self, guest: Guest, raw: Mapping[str, int], described: Callable[[int], str]) -> Explanation | None:
        """Why no code is where the program is, if it was the library that jumped there: it calls functions back.

        Args:
            guest: The stopped process.
            raw: The registers.
            described: How a number is shown.
        """
        back = int.from_bytes(guest.read(raw["rsp"], 8), "little")
        call = self.last_call(guest, raw) if self.within(back) else None
        return None if call is None else explain_bad_callback(call, raw["rip"], described)

    def row(self, guest: Guest, raw: Mapping[str, int]) -> ListingRow | None:
        """The row that called what is running."""
        call = self.last_call(guest, raw)
        return None if call is None else call.row

    def exited(self, guest: Guest, raw: Mapping[str, int], status: int) -> Cause:
        """The cause of a program that ended in `exit`, or in a function that calls it.

        Args:
            guest: The process, stopped at the system call.
            raw: The registers.
            status: What it passed.
        """
        call = self.last_call(guest, raw)
        name = "the C library" if call is None else call.function
        return Cause("exit", f"called {name}, which ended it with status {status}")

    def flush(self, guest: Guest, handler: SystemCallHandler, raw: Mapping[str, int]) -> Exhausted | None:
        """Call fflush(NULL), as a return from main would; what goes wrong in it no longer matters.

        Its stack is the loader's, so it works whatever the program did to its own.

        Args:
            guest: The process, stopped at its end.
            handler: Answers the system calls that it makes.
            raw: The registers to start from.
        """
        child = guest.child
        stack = LOADER_STACK + LOADER_STACK_SIZE // 2 - 8
        guest.poke(stack, struct.pack("<Q", RETURN))
        now = dict(raw)
        now.update(rip=self.table.flush, rsp=stack, rflags=INITIAL_RFLAGS, orig_rax=MASK, fs_base=self.thread_pointer)
        child.set_registers(now)
        while True:
            child.resume(linux_process.PTRACE_CONT)
            status = interrupts.waiting(child.wait)
            if not os.WIFSTOPPED(status) or status >> 8 != SECCOMP_STOP:
                return None
            now = child.registers()
            arguments = tuple(now[register] for register in SYSTEM_CALL_ARGUMENTS)
            verdict = handler.answer(guest, now["orig_rax"], arguments)
            if isinstance(verdict, Carried):
                guest.carry_out(verdict, now)
            elif isinstance(verdict, Answered):
                now.update(rax=verdict.result & MASK, orig_rax=MASK)
                child.set_registers(now)
            else:
                return verdict if isinstance(verdict, Exhausted) else None


def _stack_end(address: int) -> int:
    """The end of the program's stack, if the address is in it."""
    return STACK_END if STACK_LOWEST <= address < STACK_END else address


def library_for(program: Program) -> contextlib.AbstractContextManager[Library | None]:
    """The C library for a program that declares functions of it, until the block ends; None for one that does not.

    Raises:
        AssemblyError: A name it declares is not in the C library, or could only fail.
        EngineUnavailableError: This host has no GNU C library.
    """
    return _opened(program) if program.externs else _NONE


_NONE = contextlib.nullcontext(None)


@contextlib.contextmanager
def _opened(program: Program) -> Iterator[Library]:
    host = host_libraries()
    held = Descriptors()
    try:
        libraries = [open_library(held, host.loader, LOADER_BASE), open_library(held, host.libc, LIBC_BASE)]
        symbols = libraries[1].object.symbols
        needs_libm = any(name not in symbols for name in program.externs) and os.path.exists(host.libm)
        if needs_libm:
            libraries.append(open_library(held, host.libm, LIBM_BASE))
            symbols = {**libraries[2].object.symbols, **symbols}
        check_declarations(program, symbols)
        yield Library(program, tuple(libraries), build_link_table(program, needs_libm))
    finally:
        held.close()
