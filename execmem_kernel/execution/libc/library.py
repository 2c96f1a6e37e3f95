"""The C library in a program's process, for programs that say `extern puts` and call it.

No compiler and no dynamic executable are involved. The runner maps the host's own loader (ld-linux) and C library
from their files, beside the program, and locks the door as ever; then the loader runs, already behind that door, and
every system call it makes is answered from here: it "opens" libraries that are mapped already, and reads a world
without environment, files or random numbers. What it links is a table made here, an ELF in memory that names the
functions the program declares. So addresses are the same in every run, whatever the host randomises.

    program --call puts--> stub (externs.py) --> gate: notes who called, with what --> puts

The C library's own system calls are answered like the program's own (syscalls.py), with a few more that it needs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from execmem_kernel.errors import EngineUnavailableError, WorkerLostError
from execmem_kernel.execution.contract.address_map import (
    BREAK,
    LIBRARIES,
    PAGE,
    RETURN,
    STACK_START,
    page_ceil,
)
from execmem_kernel.execution.contract.cause import Cause
from execmem_kernel.execution.libc.constants import (
    LIBC_BASE,
    LIBM_BASE,
    LOADER_BASE,
    LOADER_MAPPINGS,
    LOADER_STACK,
    LOADER_STACK_SIZE,
)
from execmem_kernel.execution.libc.declarations import check_declarations
from execmem_kernel.execution.libc.host_files import OpenLibrary, host_libraries, open_library
from execmem_kernel.execution.libc.link_table import NOTED, LinkTable, build_link_table
from execmem_kernel.execution.libc.system_calls import put_status
from execmem_kernel.execution.process import interrupts
from execmem_kernel.execution.process.address_space import PlannedMapping
from execmem_kernel.execution.syscalls import guest_memory, handlers, numbers, verdicts
from execmem_kernel.linux import process as linux_process
from execmem_kernel.linux.descriptors import Descriptors
from execmem_kernel.linux.memory import MAP_ANONYMOUS, MAP_FIXED_NOREPLACE, MAP_PRIVATE
from execmem_kernel.program.program import ListingRow, Program

if TYPE_CHECKING:
    from execmem_kernel.execution.process.guest import Guest


_MASK = 2**64 - 1


_SECCOMP_STOP = signal.SIGTRAP | linux_process.PTRACE_EVENT_SECCOMP << 8


_LOADING_CALLS = 2_000
"""System calls that the loader may make; it makes about forty."""


_NEAR = 0x1_0000
"""How far below its end a stack is left by a function of the library that finds it full."""


_DIRECTION = 1 << 10  # rflags


_ARGUMENTS: Mapping[str, int] = MappingProxyType(
    {
        name: count
        for count, names in (
            (0, "rand random getchar abort getpid"),
            (
                1,
                "puts putchar strlen free malloc exit abs labs atoi atol atof toupper tolower isalpha isdigit "
                "isspace isupper islower isalnum fflush getenv strdup srand perror time usleep sleep gets",
            ),
            (
                2,
                "printf scanf strcmp strcpy strcat strchr strrchr strstr calloc realloc fputs fputc putc getc fgetc "
                "strpbrk strspn strcspn strtok strtod sprintf sscanf fprintf fscanf strsep strcasecmp",
            ),
            (
                3,
                "memcpy memmove memset memcmp strncmp strncpy strncat fgets strtol strtoul strtoll strtoull "
                "snprintf memchr write read strnlen strncasecmp",
            ),
            (4, "qsort fwrite fread"),
        )
        for name in names.split()
    }
)
"""How many arguments are worth showing: those in rdi, rsi, rdx, rcx."""


@dataclass(slots=True)
class LibraryCall:
    """What a gate noted: the last call into the C library."""

    function: str
    row: ListingRow | None
    """The listing's row that made the call."""
    stack: int
    arguments: Mapping[str, int]


class Library:
    """The C library beside one program, from its files to the flush at the end."""

    def __init__(self, program: Program, opened: tuple[OpenLibrary, ...], table: LinkTable) -> None:
        self.program = program
        self.table = table
        self._opened = opened
        self._loader = opened[0]
        self._next = LOADER_MAPPINGS
        self.thread_pointer: int = 0

    @property
    def mappings(self) -> tuple[PlannedMapping, ...]:
        """What the runner maps for it."""
        return (*(mapping for one in self._opened for mapping in one.mappings()), *self.table.mappings)

    @property
    def contents(self) -> tuple[tuple[int, bytes], ...]:
        """What is written there before anything runs."""
        last = self._loader.object.pieces[-1]
        tail = self._loader.base + last.address + last.file_size
        # The kernel would clear the rest of the last page from the file; the loader does so for the other libraries.
        return (*self.table.contents, (tail, bytes(-tail % PAGE)), self._first_stack())

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the runner needs open, under the same numbers."""
        return tuple(one.descriptor for one in self._opened)

    def _first_stack(self) -> tuple[int, bytes]:
        """What the loader finds at its stack pointer: no arguments, no environment, the auxiliary vector."""
        top = LOADER_STACK + LOADER_STACK_SIZE - 64
        seed, name, platform = top, top + 16, top + 32
        vector = {
            3: self.table.headers, 4: 56, 5: self.table.headers_count,  # AT_PHDR, AT_PHENT, AT_PHNUM
            6: PAGE, 7: self._loader.base, 9: RETURN,  # AT_PAGESZ, AT_BASE, AT_ENTRY
            11: 1000, 12: 1000, 13: 1000, 14: 1000, 23: 0,  # AT_UID, AT_EUID, AT_GID, AT_EGID, AT_SECURE
            15: platform, 17: 100, 25: seed, 31: name,  # AT_PLATFORM, AT_CLKTCK, AT_RANDOM, AT_EXECFN
        }  # fmt: skip
        words = [1, name, 0, 0]  # argc, argv[0], the ends of argv and of envp
        for kind, value in vector.items():
            words += [kind, value]
        words += [0, 0]
        block = struct.pack(f"<{len(words)}Q", *words)
        start = (top - len(block)) & -16
        fixed = bytes(range(0xA0, 0xB0))  # a real process has 16 random bytes here
        texts = b"program".ljust(16, b"\0") + b"x86_64".ljust(16, b"\0")
        return start, block.ljust(top - start, b"\0") + fixed + texts

    # ---- loading

    def load(self, guest: Guest) -> None:
        """Let the loader link everything; the process stops where the program would begin.

        Raises:
            EngineUnavailableError: The loader gave up.
            WorkerLostError: It did what no loader does.
        """
        child = guest.child
        extended = child.extended_state()
        raw = child.registers()
        entry = self._loader.base + self._loader.object.entry
        raw.update(rip=entry, rsp=self._first_stack()[0], orig_rax=_MASK, rflags=0x202)
        child.set_registers(raw)
        said = b""
        for _ in range(_LOADING_CALLS):
            child.resume(linux_process.PTRACE_CONT)
            status = interrupts.waiting(child.wait)
            if not os.WIFSTOPPED(status):
                raise WorkerLostError(f"the C library's loader ended (wait status {status:#x})")
            raw = child.registers()
            if status >> 8 == _SECCOMP_STOP:
                number = raw["orig_rax"]
                arguments = tuple(raw[name] for name in ("rdi", "rsi", "rdx", "r10", "r8", "r9"))
                name = numbers.NAMES.get(number, "")
                if name in ("write", "writev"):
                    said += _gathered(guest, name, arguments, 4096)
                if name in ("exit_group", "exit"):
                    raise EngineUnavailableError(
                        f"the C library's loader gave up: {said.decode(errors='replace').strip()}"
                    )
                verdict = self._answer(guest, name, arguments)
                if isinstance(verdict, verdicts.Carried):
                    guest.carry_out(verdict, raw)
                else:
                    raw.update(rax=verdict & _MASK, orig_rax=_MASK)
                    if name == "arch_prctl" and verdict == 0:
                        raw["fs_base"] = arguments[1]
                    child.set_registers(raw)
            elif raw["rip"] == RETURN:
                self.thread_pointer = raw["fs_base"]
                child.set_extended_state(extended)
                return
            elif os.WSTOPSIG(status) not in (signal.SIGALRM, signal.SIGPROF):
                raise WorkerLostError(f"the C library's loader was stopped by signal {os.WSTOPSIG(status)}")
        raise WorkerLostError("the C library's loader did not end")

    def _answer(self, guest: Guest, name: str, arguments: tuple[int, ...]) -> int | verdicts.Carried:
        """One system call of the loader's."""
        first, second, third, fourth, fifth, _ = arguments
        if name in ("openat", "open"):
            path = guest.read(second if name == "openat" else first, 256).partition(b"\0")[0].decode(errors="replace")
            wanted = os.path.basename(path)
            found = wanted in _SONAMES[1 : len(self._opened)]
            return _FIRST_FILE + _SONAMES.index(wanted) if found else -errno.ENOENT
        file = self._file(fifth if name == "mmap" else first)
        if name == "mmap":
            if file is not None:
                # Mapped by the runner already, each piece in its place.
                return first or file.base
            if first:
                return first if self._ours(first, second) else -errno.EINVAL
            place, self._next = self._next, self._next + page_ceil(second) + PAGE
            flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
            return verdicts.Carried(numbers.NUMBERS["mmap"], (place, second, third & 3, flags, _MASK, 0))
        if name == "mprotect":
            if third & 4 or not self._ours(first, second):
                return -errno.EACCES
            if third == 0:  # the holes between a library's pieces, which nobody has mapped
                return 0
            return verdicts.Carried(numbers.NUMBERS["mprotect"], (first, second, third))
        if name == "munmap":
            return 0
        if file is not None:
            if name in ("read", "pread64"):
                guest.poke(second, os.pread(file.descriptor, third, fourth if name == "pread64" else 0))
                return min(third, os.fstat(file.descriptor).st_size)
            if name == "fstat":
                return put_status(guest, second, file.base, 0o100755, os.fstat(file.descriptor).st_size)
            if name == "newfstatat":
                return put_status(guest, third, file.base, 0o100755, os.fstat(file.descriptor).st_size)
            return 0
        if name == "arch_prctl":
            return 0 if first == 0x1002 else -errno.EINVAL  # ARCH_SET_FS
        if name == "prlimit64" and third == 0:
            guest.poke(fourth, struct.pack("<QQ", 1 << 20, 1 << 20))
            return 0
        if name == "getrandom":
            guest.poke(first, bytes(range(1, 1 + min(second, 255))))
            return min(second, 255)
        if name == "brk":
            return BREAK
        if name == "set_tid_address":
            return handlers.PID
        if name in ("set_robust_list", "close", "write"):
            return 0 if name != "write" else third
        if name in ("access", "readlink", "newfstatat", "stat", "readlinkat", "faccessat"):
            return -errno.ENOENT
        return -errno.ENOSYS

    def _file(self, number: int) -> OpenLibrary | None:
        index = (number & 0xFFFFFFFF) - _FIRST_FILE
        return self._opened[index] if 0 < index < len(self._opened) else None

    def _ours(self, address: int, size: int) -> bool:
        return address >= LIBRARIES and address + size <= LOADER_MAPPINGS + 0x100_0000

    # ---- what the program did with it

    def within(self, address: int) -> bool:
        """Whether an address lies in the library's code, or in the stubs that lead to it."""
        return self._in_stubs(address) or any(one.base <= address < one.end for one in self._opened)

    def keeps_to_itself(self, name: str, address: int, verdict: verdicts.Verdict) -> bool:
        """Whether a system call is the library's own housekeeping, which differs from one glibc to the next."""
        told = name in ("write", "writev", "read", "exit_group") or not isinstance(
            verdict, (verdicts.Answered, verdicts.Carried)
        )
        return self.within(address) and not told

    def _in_stubs(self, address: int) -> bool:
        return self.table.stubs[0] <= address < self.table.stubs[1]

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
        words = guest.read(raw["rsp"], min(64 * 1024, max(0, _stack_end(raw["rsp"]) - raw["rsp"])))
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
        if row.code[:1] == b"\xe8":
            target = back + int.from_bytes(row.code[-4:], "little", signed=True)
            return (names[target], row) if target in names else None
        return ("the C library", row) if row.text.startswith("call") else None

    def explain(
        self, guest: Guest, stopped: tuple[str, int, int], raw: Mapping[str, int], described: Callable[[int], str]
    ) -> Found:
        """Why the program was stopped inside the library: which line called what, with which arguments.

        Args:
            guest: The stopped process.
            stopped: The signal's name, its si_code and si_addr.
            raw: The registers.
            described: How a number is shown.
        """
        name, code, address = stopped
        # An address that no page could ever have (SI_KERNEL) is not reported; the others are.
        accessed = address if name in ("SIGSEGV", "SIGBUS") and code in (1, 2) else None
        call = self.last_call(guest, raw)
        if call is None:
            return Found(Cause("library-fault", f"inside the C library: stopped by {name}"), None, accessed)
        function = call.function
        if call.stack & 15 != 8 and accessed is None and name in ("SIGSEGV", "SIGBUS"):
            cause = Cause(
                "misaligned-call",
                f"calls {function} with rsp not a multiple of 16, and {function} uses instructions that need it to be",
                MappingProxyType({"rsp": call.stack + 8}),
                "`sub rsp, 8` before the call, `add rsp, 8` after it; in a function that has pushed an odd number of "
                "registers the stack is aligned already",
            )
            return Found(cause, call.row, None)
        if accessed is not None and STACK_START - _NEAR <= accessed < STACK_START and raw["rsp"] < STACK_START + _NEAR:
            cause = Cause(
                "stack-overflow",
                f"calls {function} when the stack is full: too many calls or pushes that nothing took back",
                MappingProxyType({"rsp": raw["rsp"]}),
                "a function that calls itself needs a case in which it does not",
            )
            return Found(cause, call.row, accessed)
        if self.thread_pointer != raw["fs_base"]:
            cause = Cause(
                "fs-base",
                f"calls {function} after fs's base was changed, and the C library keeps its own data there",
                look_at="leave fs and its base (`wrfsbase`) to the C library",
            )
            return Found(cause, call.row, accessed)
        if raw["rflags"] & _DIRECTION:
            cause = Cause(
                "direction-flag",
                f"calls {function} with the direction flag set, and C functions need it clear",
                look_at="`cld` before the call",
            )
            return Found(cause, call.row, accessed)
        shown = ("rdi", "rsi", "rdx", "rcx")[: _ARGUMENTS.get(function, 2)]
        given = {register: call.arguments[register] for register in shown if register in call.arguments}
        sentence = f"inside {function}"
        if given:
            sentence += ", called with " + ", ".join(f"{name_} = {described(value)}" for name_, value in given.items())
        if accessed is not None:
            problem = "is not memory of the program" if code == 1 else "is mapped, but not for that"
            sentence += f": {described(accessed)} {problem}"
        elif name != "SIGSEGV":
            sentence += f": stopped by {name}"
        cause = Cause("library-fault", sentence, MappingProxyType(given), _advice(function, given))
        return Found(cause, call.row, accessed)

    def jumped_out(self, guest: Guest, raw: Mapping[str, int], described: Callable[[int], str]) -> Found | None:
        """Why no code is where the program is, if it was the library that jumped there: it calls functions back."""
        back = guest.read(raw["rsp"], 8)
        call = self.last_call(guest, raw) if self.within(int.from_bytes(back, "little")) else None
        if call is None:
            return None
        where = described(raw["rip"])
        register = next((name for name, value in reversed(list(call.arguments.items())) if value == raw["rip"]), None)
        given = "" if register is None else f", as {register} told it"
        cause = Cause(
            "bad-callback",
            f"{call.function} calls back {where}{given}, and no code is there",
            MappingProxyType({} if register is None else {register: raw["rip"]}),
            "give it the address of a function: `lea`, with the function's label",
        )
        return Found(cause, call.row, raw["rip"])

    def row(self, guest: Guest, raw: Mapping[str, int]) -> ListingRow | None:
        """The row that called what is running."""
        call = self.last_call(guest, raw)
        return None if call is None else call.row

    def exited(self, guest: Guest, raw: Mapping[str, int], status: int) -> Cause:
        """The cause of a program that ended in `exit`, or in a function that calls it."""
        call = self.last_call(guest, raw)
        name = "the C library" if call is None else call.function
        return Cause("exit", f"called {name}, which ended it with status {status}")

    def flush(
        self, guest: Guest, desk: handlers.SystemCallHandler, raw: Mapping[str, int]
    ) -> verdicts.Exhausted | None:
        """Call fflush(NULL), as a return from main would; what goes wrong in it no longer matters.

        Its stack is the loader's, so it works whatever the program did to its own.
        """
        child = guest.child
        stack = LOADER_STACK + LOADER_STACK_SIZE // 2 - 8
        guest.poke(stack, struct.pack("<Q", RETURN))
        now = dict(raw)
        now.update(rip=self.table.flush, rsp=stack, rflags=0x202, orig_rax=_MASK, fs_base=self.thread_pointer)
        child.set_registers(now)
        while True:
            child.resume(linux_process.PTRACE_CONT)
            status = interrupts.waiting(child.wait)
            if not os.WIFSTOPPED(status) or status >> 8 != _SECCOMP_STOP:
                return None
            now = child.registers()
            arguments = tuple(now[name] for name in ("rdi", "rsi", "rdx", "r10", "r8", "r9"))
            verdict = desk.answer(guest, now["orig_rax"], arguments)
            if isinstance(verdict, verdicts.Carried):
                guest.carry_out(verdict, now)
            elif isinstance(verdict, verdicts.Answered):
                now.update(rax=verdict.result & _MASK, orig_rax=_MASK)
                child.set_registers(now)
            else:
                return verdict if isinstance(verdict, verdicts.Exhausted) else None


@dataclass(frozen=True, slots=True)
class Found:
    """An explanation: the cause, the row to blame, the address that was used."""

    cause: Cause
    row: ListingRow | None
    accessed: int | None


_SONAMES = ("", "libc.so.6", "libm.so.6")


_FIRST_FILE = 500
"""The number that the loader gets for the first library it opens; nothing is open under it."""


def _advice(function: str, given: Mapping[str, int]) -> str:
    null = next((register for register, value in given.items() if value == 0), None)
    if null is not None:
        return f"{null} is 0: {function} was given no memory there"
    return f"look at what {function} is given: pointers must lead to memory of the program, strings must end with a 0"


def _stack_end(address: int) -> int:
    """The end of the program's stack, if the address is in it."""
    return STACK_START + 0x10_0000 if STACK_START <= address < STACK_START + 0x10_0000 else address


def _gathered(guest: guest_memory.GuestMemory, name: str, arguments: tuple[int, ...], limit: int) -> bytes:
    """The bytes that a write or a writev is given."""
    if name == "write":
        return guest.read(arguments[1], min(arguments[2], limit))
    data = b""
    vector = guest.read(arguments[1], 16 * min(arguments[2], 1024))
    for address, size in struct.iter_unpack("<QQ", vector[: len(vector) & -16]):
        data += guest.read(address, min(size, limit - len(data)))
    return data


# ---- before the run --------------------------------------------------------------------------------------------------


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
