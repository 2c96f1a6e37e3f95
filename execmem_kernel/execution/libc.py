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
import difflib
import errno
import fcntl
import functools
import os
import re
import signal
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from execmem_kernel import linux
from execmem_kernel.assembly import externs
from execmem_kernel.assembly.diagnostics import Diagnostic, Span
from execmem_kernel.assembly.program import ListingRow, Program
from execmem_kernel.errors import AssemblyError, EngineUnavailableError, WorkerLostError
from execmem_kernel.execution import stop_button, syscalls
from execmem_kernel.execution.engine import Cause
from execmem_kernel.execution.layout import (
    BREAK,
    LIBRARIES,
    MAP_ANONYMOUS,
    MAP_FIXED_NOREPLACE,
    MAP_PRIVATE,
    PAGE,
    RETURN,
    STACK_START,
    Mapping_,
    page_ceil,
    page_floor,
)

if TYPE_CHECKING:
    from execmem_kernel.execution.supervisor import Guest

_LOADER, _LIBC, _LIBM = LIBRARIES, LIBRARIES + 0x100_0000, LIBRARIES + 0x300_0000
_TABLE = LIBRARIES + 0x400_0000
_STACK, _STACK_SIZE = LIBRARIES + 0x500_0000, 0x4_0000
_LOADER_MAPPINGS = LIBRARIES + 0x600_0000
_MASK = 2**64 - 1
_SECCOMP_STOP = signal.SIGTRAP | linux.PTRACE_EVENT_SECCOMP << 8
_LOADING_CALLS = 2_000
"""System calls that the loader may make; it makes about forty."""

_NOTED = ("rsp", "rdi", "rsi", "rdx", "rcx", "rax")
"""What a gate notes of a call, in this order, 8 bytes each."""
_GATE = 128
_NEAR = 0x1_0000
"""How far below its end a stack is left by a function of the library that finds it full."""
_DIRECTION = 1 << 10  # rflags

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP, _PT_RELRO = 1, 2, 3, 0x6474E552  # elf.h
_OBJECT, _FUNCTION, _THREAD_LOCAL, _INDIRECT = 1, 2, 6, 10  # elf.h: STT_OBJECT, STT_FUNC, STT_TLS, STT_GNU_IFUNC
_COPY, _GLOB_DAT = 5, 6  # elf.h: R_X86_64_COPY, R_X86_64_GLOB_DAT

_REFUSED: Mapping[str, str] = MappingProxyType(
    {
        name: reason
        for reason, names in {
            "a program in a cell has no files": (
                "fopen fopen64 freopen fdopen tmpfile open open64 openat creat opendir remove unlink rename mkdir "
                "rmdir stat lstat chdir mkstemp dup dup2 pipe truncate link symlink chmod mmap64 shm_open"
            ),
            "a program in a cell is one process and can start no other": (
                "system popen fork vfork clone execl execlp execle execv execvp execve execvpe fexecve posix_spawn "
                "posix_spawnp daemon wait waitpid"
            ),
            "a program in a cell has one thread": "pthread_create thrd_create",
            "a program in a cell has no network": "socket connect accept bind listen getaddrinfo gethostbyname",
            "a program in a cell loads no other code": "dlopen dlmopen mprotect",
            "a program in a cell has no signal handlers": "signal sigaction bsd_signal sysv_signal alarm setitimer",
        }.items()
        for name in names.split()
    }
)
"""Functions that exist and could do nothing in a cell but fail: said when they are declared."""

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


# ---- the host's files ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Piece:
    """A PT_LOAD entry of a library."""

    offset: int
    address: int
    file_size: int
    memory_size: int
    protection: str


@dataclass(frozen=True, slots=True)
class _SharedObject:
    """A shared library on the disk: what must be known to map it, and what it defines."""

    path: str
    entry: int
    pieces: tuple[_Piece, ...]
    symbols: Mapping[str, tuple[int, int]]
    """Name -> type and size, of what others may use."""

    @property
    def size(self) -> int:
        return page_ceil(max(piece.address + piece.memory_size for piece in self.pieces))


@functools.lru_cache(8)
def _read(path: str, changed: int) -> _SharedObject:
    """Read a library's headers and its table of symbols; `changed` is the file's time, so an upgrade is read anew."""
    data = Path(path).read_bytes()
    header = struct.unpack_from("<16sHHIQQQIHHHHHH", data)
    if data[:5] != b"\x7fELF\x02" or header[2] != 62:
        raise EngineUnavailableError("the C library of this host is not one for x86-64")
    pieces = []
    for index in range(header[10]):
        kind, flags, offset, address, _, file_size, memory_size, _ = struct.unpack_from(
            "<IIQQQQQQ", data, header[5] + index * header[9]
        )
        if kind == _PT_LOAD:
            protection = {4: "r--", 5: "r-x", 6: "rw-"}.get(flags)
            if protection is None:
                raise EngineUnavailableError("the C library of this host wants memory of a kind that is never given")
            pieces.append(_Piece(offset, address, file_size, memory_size, protection))
    return _SharedObject(path, header[4], tuple(pieces), MappingProxyType(_symbols(data, header)))


def _symbols(data: bytes, header: tuple[int, ...]) -> dict[str, tuple[int, int]]:
    """The dynamic symbols that are defined, by way of the section headers."""
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, header[6] + index * header[11]) for index in range(header[12])]
    found = {}
    for section in sections:
        if section[1] != 11:  # SHT_DYNSYM
            continue
        strings = sections[section[6]][4]
        for name, info, _, where, _, size in struct.iter_unpack("<IBBHQQ", data[section[4] : section[4] + section[5]]):
            if where and name:
                end = data.index(b"\0", strings + name)
                found[data[strings + name : end].decode()] = info & 15, size
    return found


@dataclass(frozen=True, slots=True)
class _Host:
    """The C library that this Python runs on: the loader's file, libc's and libm's."""

    loader: str
    libc: str
    libm: str


@functools.cache
def _host() -> _Host:
    """Find them among this process's own mappings: they are there, they fit each other, they work on this machine."""
    paths = {os.path.basename(mapping.path): mapping.path for mapping in linux.mappings() if mapping.path[:1] == "/"}
    libc = next((paths[name] for name in paths if re.fullmatch(r"libc(\.so\.6|-2\.\d+\.so)", name)), None)
    loader = next((paths[name] for name in paths if re.fullmatch(r"ld-(linux-x86-64\.so\.2|2\.\d+\.so)", name)), None)
    if libc is None or loader is None:
        musl = any("musl" in name for name in paths)
        there = "this host's C library is musl" if musl else "this Python does not run on it"
        raise EngineUnavailableError(
            f"calling C functions needs the GNU C library, and {there}; a program without `extern` runs here"
        )
    return _Host(loader, libc, os.path.join(os.path.dirname(libc), "libm.so.6"))


# ---- a library opened for one run ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Open:
    """A library's file while a run lasts."""

    object: _SharedObject
    descriptor: int
    base: int

    def mappings(self) -> Iterator[Mapping_]:
        """The mappings that the loader would make for it."""
        for piece in self.object.pieces:
            start, offset = page_floor(self.base + piece.address), page_floor(piece.offset)
            file_end = page_ceil(self.base + piece.address + piece.file_size)
            yield Mapping_(start, file_end - start, piece.protection, offset, self.descriptor)
            end = page_ceil(self.base + piece.address + piece.memory_size)
            if end > file_end:
                yield Mapping_(file_end, end - file_end, piece.protection)

    @property
    def end(self) -> int:
        return self.base + self.object.size


def _open(held: linux.Descriptors, path: str, base: int) -> _Open:
    try:
        low = held.open(os.open, path, os.O_RDONLY | os.O_CLOEXEC)
        # Out of the way of the numbers that a spawn gives to descriptors of its own.
        descriptor = held.open(fcntl.fcntl, low, fcntl.F_DUPFD_CLOEXEC, 16)
        return _Open(_read(path, os.stat(path).st_mtime_ns), descriptor, base)
    except FileNotFoundError:
        raise EngineUnavailableError(
            "the C library's files are not where this Python loaded them from: after an upgrade, restart the kernel"
        ) from None


@dataclass(frozen=True, slots=True)
class _Table:
    """What the loader links: an ELF "executable" in memory, which has no code but names what the program calls."""

    contents: tuple[tuple[int, bytes], ...]
    mappings: tuple[Mapping_, ...]
    headers: int
    headers_count: int
    stubs: tuple[int, int]
    gates: Mapping[int, str]
    """A gate's start -> the function behind it."""
    notes: int
    flush: int
    """The code that calls fflush(NULL)."""


_ALIASES = ("__environ", "_environ")


def _table(program: Program, needs_libm: bool) -> _Table:
    functions = [name for name in program.externs if name not in externs.VARIABLES]
    variables = [name for name in program.externs if name in externs.VARIABLES]
    linked = ["fflush", *functions, *variables]
    strings, offsets = b"\0", {}
    for name in ("libc.so.6", "libm.so.6", *linked, *_ALIASES):
        offsets[name] = len(strings)
        strings += name.encode() + b"\0"
    interpreter = b"/lib64/ld-linux-x86-64.so.2\0"
    symbols = bytes(24)
    for name in linked:
        # Elf64_Sym: name, global function or object, visibility, section, value, size
        if name in externs.VARIABLES:
            symbols += struct.pack("<IBBHQQ", offsets[name], 0x10 | _OBJECT, 0, 1, program.externs[name], 8)
        else:
            symbols += struct.pack("<IBBHQQ", offsets[name], 0x10 | _FUNCTION, 0, 0, 0, 0)
    aliases = [alias for alias in _ALIASES if "environ" in variables]
    for alias in aliases:  # the library's own names of a variable that has moved here
        where = program.externs["environ"]
        symbols += struct.pack("<IBBHQQ", offsets[alias], 0x10 | _OBJECT, 0, 1, where, 8)
    count = len(linked) + len(aliases) + 1
    chain = [index + 1 if index + 1 < count else 0 for index in range(1, count)]
    hashes = struct.pack(f"<{4 + len(chain)}I", 1, count, 1, 0, *chain)  # one bucket, one chain through everything
    headers_count = 4
    position = headers_count * 56
    page = bytearray(position)

    def put(data: bytes) -> int:
        page.extend(bytes(-len(page) % 16))
        at = _TABLE + len(page)
        page.extend(data)
        return at

    interpreter_at, strings_at, symbols_at, hashes_at = map(put, (interpreter, strings, symbols, hashes))
    relocation_size = 24 * len(linked)
    read_only_size = page_ceil(len(page) + 16 + relocation_size)
    dynamic_at = _TABLE + read_only_size
    needed = [(1, offsets["libc.so.6"])] + ([(1, offsets["libm.so.6"])] if needs_libm else [])  # DT_NEEDED
    cells_at = dynamic_at + 16 * (len(needed) + 10)
    relocations = b""
    for index, name in enumerate(linked):
        where, kind = (program.externs[name], _COPY) if name in externs.VARIABLES else (cells_at + 8 * index, _GLOB_DAT)
        relocations += struct.pack("<QQq", where, (index + 1) << 32 | kind, 0)
    relocations_at = put(relocations)
    # DT_HASH, DT_STRTAB, DT_STRSZ, DT_SYMTAB, DT_SYMENT, DT_RELA, DT_RELASZ, DT_RELAENT, DT_FLAGS: DF_BIND_NOW
    dynamic = [*needed, (4, hashes_at), (5, strings_at), (10, len(strings)), (6, symbols_at), (11, 24)]
    dynamic += [(7, relocations_at), (8, len(relocations)), (9, 24), (30, 8), (0, 0)]
    linked_data = b"".join(struct.pack("<QQ", *entry) for entry in dynamic) + bytes(8 * len(linked))
    linked_size = page_ceil(len(linked_data))
    notes = dynamic_at + linked_size

    def program_header(kind: int, flags: int, address: int, size: int, alignment: int) -> bytes:
        return struct.pack("<IIQQQQQQ", kind, flags, address - _TABLE, address, address, size, size, alignment)

    page[:position] = b"".join(
        (
            program_header(_PT_INTERP, 4, interpreter_at, len(interpreter), 1),
            program_header(_PT_LOAD, 4, _TABLE, read_only_size, PAGE),
            program_header(_PT_DYNAMIC, 6, dynamic_at, 16 * len(dynamic), 8),
            # Once linked, the addresses of the functions are read-only.
            program_header(_PT_RELRO, 4, dynamic_at, linked_size, 1),
        )
    )
    first = min((program.externs[name] for name in functions), default=program.address - externs.STUBS_BELOW)
    stubs_start = page_floor(first)
    stubs_end = max((program.externs[name] + externs.SLOT for name in functions), default=stubs_start)
    gates_at = -(-stubs_end // _GATE) * _GATE
    code = bytearray(b"\xcc" * (gates_at - stubs_start))
    gates = {}
    for index, name in enumerate(functions):
        gate = stubs_start + len(code)
        gates[gate] = name
        stub = program.externs[name] - stubs_start
        code[stub : stub + 5] = b"\xe9" + struct.pack("<i", gate - program.externs[name] - 5)  # jmp gate
        code += _gate(gate, notes, cells_at + 8 * (index + 1))
    flush = stubs_start + len(code)
    # xor edi, edi; jmp [rip + the cell of fflush]
    code += b"\x31\xff\xff\x25" + struct.pack("<i", cells_at - flush - 8)
    stubs = Mapping_(stubs_start, page_ceil(len(code)), "r-x")
    mappings = [
        Mapping_(_TABLE, read_only_size, "r--"),
        Mapping_(dynamic_at, linked_size, "rw-"),
        Mapping_(notes, PAGE, "rw-"),
        Mapping_(_STACK, _STACK_SIZE, "rw-"),
        stubs,
    ]
    if variables:
        start = page_floor(min(program.externs[name] for name in variables))
        end = page_ceil(max(program.externs[name] for name in variables) + externs.SLOT)
        mappings.append(Mapping_(start, end - start, "rw-"))
    contents = (
        (_TABLE, bytes(page)),
        (dynamic_at, linked_data),
        (stubs_start, bytes(code).ljust(stubs.size, b"\xcc")),
    )
    extent = (stubs_start, stubs_start + len(code))
    return _Table(
        contents, tuple(mappings), _TABLE, headers_count, extent, MappingProxyType(gates), notes, flush
    )  # fmt: skip


def _gate(address: int, notes: int, cell: int) -> bytes:
    """Note rsp and the first arguments, change nothing but flags, go on to the function.

    Where rsp is not 16n+8, as it is behind every right call, the return address is noted too, if none has been yet.
    """
    code = b""
    encodings = {"rsp": b"\x48\x89\x25", "rdi": b"\x48\x89\x3d", "rsi": b"\x48\x89\x35", "rdx": b"\x48\x89\x15",
                 "rcx": b"\x48\x89\x0d", "rax": b"\x48\x89\x05"}  # fmt: skip
    for index, name in enumerate(_NOTED):  # mov [rip + note], register
        code += encodings[name] + struct.pack("<i", notes + 8 * index - (address + len(code) + 7))
    misaligned = notes + 8 * len(_NOTED)
    code += b"\x40\xf6\xc4\x07\x75\x06"  # test spl, 7; jnz to the note
    code += b"\x40\xf6\xc4\x08\x75\x13"  # test spl, 8; jnz to the function
    code += b"\x48\x83\x3d" + struct.pack("<ib", misaligned - (address + len(code) + 8), 0)  # cmp [rip + note], 0
    code += b"\x75\x09\xff\x34\x24"  # jne to the function; push [rsp]
    code += b"\x8f\x05" + struct.pack("<i", misaligned - (address + len(code) + 6))  # pop [rip + note]
    code += b"\xff\x25" + struct.pack("<i", cell - (address + len(code) + 6))  # jmp [rip + cell]
    return code.ljust(_GATE, b"\xcc")


@dataclass(slots=True)
class _Call:
    """What a gate noted: the last call into the C library."""

    function: str
    row: ListingRow | None
    """The listing's row that made the call."""
    stack: int
    arguments: Mapping[str, int]


class Library:
    """The C library beside one program, from its files to the flush at the end."""

    def __init__(self, program: Program, opened: tuple[_Open, ...], table: _Table) -> None:
        self.program = program
        self.table = table
        self._opened = opened
        self._loader = opened[0]
        self._next = _LOADER_MAPPINGS
        self.thread_pointer: int = 0

    @property
    def mappings(self) -> tuple[Mapping_, ...]:
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
        top = _STACK + _STACK_SIZE - 64
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
            child.resume(linux.PTRACE_CONT)
            status = stop_button.waiting(child.wait)
            if not os.WIFSTOPPED(status):
                raise WorkerLostError(f"the C library's loader ended (wait status {status:#x})")
            raw = child.registers()
            if status >> 8 == _SECCOMP_STOP:
                number = raw["orig_rax"]
                arguments = tuple(raw[name] for name in ("rdi", "rsi", "rdx", "r10", "r8", "r9"))
                name = syscalls.NAMES.get(number, "")
                if name in ("write", "writev"):
                    said += _gathered(guest, name, arguments, 4096)
                if name in ("exit_group", "exit"):
                    raise EngineUnavailableError(
                        f"the C library's loader gave up: {said.decode(errors='replace').strip()}"
                    )
                verdict = self._answer(guest, name, arguments)
                if isinstance(verdict, syscalls.Carried):
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

    def _answer(self, guest: Guest, name: str, arguments: tuple[int, ...]) -> int | syscalls.Carried:
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
            return syscalls.Carried(syscalls.NUMBERS["mmap"], (place, second, third & 3, flags, _MASK, 0))
        if name == "mprotect":
            if third & 4 or not self._ours(first, second):
                return -errno.EACCES
            if third == 0:  # the holes between a library's pieces, which nobody has mapped
                return 0
            return syscalls.Carried(syscalls.NUMBERS["mprotect"], (first, second, third))
        if name == "munmap":
            return 0
        if file is not None:
            if name in ("read", "pread64"):
                guest.poke(second, os.pread(file.descriptor, third, fourth if name == "pread64" else 0))
                return min(third, os.fstat(file.descriptor).st_size)
            if name == "fstat":
                return _put_status(guest, second, file.base, 0o100755, os.fstat(file.descriptor).st_size)
            if name == "newfstatat":
                return _put_status(guest, third, file.base, 0o100755, os.fstat(file.descriptor).st_size)
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
            return syscalls.PID
        if name in ("set_robust_list", "close", "write"):
            return 0 if name != "write" else third
        if name in ("access", "readlink", "newfstatat", "stat", "readlinkat", "faccessat"):
            return -errno.ENOENT
        return -errno.ENOSYS

    def _file(self, number: int) -> _Open | None:
        index = (number & 0xFFFFFFFF) - _FIRST_FILE
        return self._opened[index] if 0 < index < len(self._opened) else None

    def _ours(self, address: int, size: int) -> bool:
        return address >= LIBRARIES and address + size <= _LOADER_MAPPINGS + 0x100_0000

    # ---- what the program did with it

    def within(self, address: int) -> bool:
        """Whether an address lies in the library's code, or in the stubs that lead to it."""
        return self._in_stubs(address) or any(one.base <= address < one.end for one in self._opened)

    def keeps_to_itself(self, name: str, address: int, verdict: syscalls.Verdict) -> bool:
        """Whether a system call is the library's own housekeeping, which differs from one glibc to the next."""
        told = name in ("write", "writev", "read", "exit_group") or not isinstance(
            verdict, (syscalls.Answered, syscalls.Carried)
        )
        return self.within(address) and not told

    def _in_stubs(self, address: int) -> bool:
        return self.table.stubs[0] <= address < self.table.stubs[1]

    def misaligned_call(self, guest: Guest) -> int | None:
        """Where the first call with a stack that was not 16-aligned would have come back to."""
        return int.from_bytes(guest.read(self.table.notes + 8 * len(_NOTED), 8), "little") or None

    def last_call(self, guest: Guest, raw: Mapping[str, int]) -> _Call | None:
        """The call that a stop inside the library happened in."""
        noted = dict(zip(_NOTED, struct.unpack("<6Q", guest.read(self.table.notes, 48)), strict=True))
        stack = noted.pop("rsp")
        if raw["rsp"] <= stack:
            back = guest.read(stack, 8)
            found = self._call_at(int.from_bytes(back, "little")) if len(back) == 8 else None
            if found is not None:
                return _Call(found[0], found[1], stack, noted)
        # The call that was noted has returned, from a function that the library called back: look for an older one.
        words = guest.read(raw["rsp"], min(64 * 1024, max(0, _stack_end(raw["rsp"]) - raw["rsp"])))
        for index in range(0, len(words) - 7, 8):
            found = self._call_at(int.from_bytes(words[index : index + 8], "little"))
            if found is not None:
                return _Call(found[0], found[1], raw["rsp"] + index, {})
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

    def flush(self, guest: Guest, desk: syscalls.Desk, raw: Mapping[str, int]) -> syscalls.Exhausted | None:
        """Call fflush(NULL), as a return from main would; what goes wrong in it no longer matters.

        Its stack is the loader's, so it works whatever the program did to its own.
        """
        child = guest.child
        stack = _STACK + _STACK_SIZE // 2 - 8
        guest.poke(stack, struct.pack("<Q", RETURN))
        now = dict(raw)
        now.update(rip=self.table.flush, rsp=stack, rflags=0x202, orig_rax=_MASK, fs_base=self.thread_pointer)
        child.set_registers(now)
        while True:
            child.resume(linux.PTRACE_CONT)
            status = stop_button.waiting(child.wait)
            if not os.WIFSTOPPED(status) or status >> 8 != _SECCOMP_STOP:
                return None
            now = child.registers()
            arguments = tuple(now[name] for name in ("rdi", "rsi", "rdx", "r10", "r8", "r9"))
            verdict = desk.answer(guest, now["orig_rax"], arguments)
            if isinstance(verdict, syscalls.Carried):
                guest.carry_out(verdict, now)
            elif isinstance(verdict, syscalls.Answered):
                now.update(rax=verdict.result & _MASK, orig_rax=_MASK)
                child.set_registers(now)
            else:
                return verdict if isinstance(verdict, syscalls.Exhausted) else None


@dataclass(frozen=True, slots=True)
class Found:
    """An explanation: the cause, the row to blame, the address that was used."""

    cause: Cause
    row: ListingRow | None
    accessed: int | None


_INSTEAD: Mapping[str, str] = MappingProxyType({"atexit": "on_exit"})
"""What a linker would take from a file of its own, and what is in the library."""
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


def _gathered(guest: syscalls.Guest, name: str, arguments: tuple[int, ...], limit: int) -> bytes:
    """The bytes that a write or a writev is given."""
    if name == "write":
        return guest.read(arguments[1], min(arguments[2], limit))
    data = b""
    vector = guest.read(arguments[1], 16 * min(arguments[2], 1024))
    for address, size in struct.iter_unpack("<QQ", vector[: len(vector) & -16]):
        data += guest.read(address, min(size, limit - len(data)))
    return data


def _put_status(guest: Guest, address: int, inode: int, mode: int, size: int) -> int:
    """Write a struct stat that tells what the loader and stdio ask: which file, what kind, how long."""
    status = struct.pack("<QQQIIIIQqqq", 1, inode, 1, mode, 1000, 1000, 0, 0x8800, size, 1024, 0)
    return 0 if guest.write(address, status.ljust(144, b"\0")) else -errno.EFAULT


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
    host = _host()
    held = linux.Descriptors()
    try:
        libraries = [_open(held, host.loader, _LOADER), _open(held, host.libc, _LIBC)]
        symbols = libraries[1].object.symbols
        needs_libm = any(name not in symbols for name in program.externs) and os.path.exists(host.libm)
        if needs_libm:
            libraries.append(_open(held, host.libm, _LIBM))
            symbols = {**libraries[2].object.symbols, **symbols}
        _check(program, symbols)
        yield Library(program, tuple(libraries), _table(program, needs_libm))
    finally:
        held.close()


def _check(program: Program, symbols: Mapping[str, tuple[int, int]]) -> None:
    """Every name that cannot be called, each at the line that declares it."""
    wrong = []
    for name in program.externs:
        kind = symbols.get(name, (0, 0))[0]
        if name in _REFUSED:
            wrong.append(_diagnostic(program, name, "EXT002", f"`{name}` cannot be called: {_REFUSED[name]}.", ""))
        elif kind == 0:
            near = difflib.get_close_matches(_INSTEAD.get(name, name), symbols, n=1, cutoff=0.75)
            if name.startswith("_") and name.lstrip("_") in symbols:
                near = [name.lstrip("_")]
            hint = f"did you mean `{near[0]}`?" if near else "a function of your own is a label in this cell: no extern"
            message = f"The C library has no `{name}`."
            wrong.append(_diagnostic(program, name, "EXT001", message, hint))
        elif kind in (_OBJECT, _THREAD_LOCAL) and name not in externs.VARIABLES:
            hint = "call `__errno_location`: it returns its address" if name == "errno" else ""
            offered = ", ".join(sorted(externs.VARIABLES))
            message = f"`{name}` is a variable of the C library; those to be had are {offered}."
            wrong.append(_diagnostic(program, name, "EXT003", message, hint))
    if wrong:
        raise AssemblyError(sorted(wrong, key=lambda diagnostic: (diagnostic.line, diagnostic.column)))
    distance = max(abs(address - _TABLE) for address in (*program.externs.values(), program.address))
    if distance >= 1 << 31:
        raise ValueError("a program that calls the C library has its code below 2 GiB; leave out address=")


def _diagnostic(program: Program, name: str, code: str, message: str, hint: str) -> Diagnostic:
    for number, line in enumerate(program.source.splitlines(), 1):
        found = re.search(rf"(?<![\w.@$?]){re.escape(name)}(?![\w.$?])", line)
        if found:
            return Diagnostic("error", code, message, Span(number, found.start() + 1, found.end() + 1), line, hint)
    return Diagnostic("error", code, message, Span(1, 1, 2), "", hint)


# ---- its system calls ------------------------------------------------------------------------------------------------


class Desk(syscalls.Desk):
    """Answers the C library's system calls too: what stdio, malloc, time and abort need, and no more."""

    def _writev(self, guest: syscalls.Guest, descriptor: int, vector: int, count: int, *_: int) -> syscalls.Verdict:
        written = 0
        for address, size in struct.iter_unpack("<QQ", guest.read(vector, 16 * min(count, 1024))):
            verdict = self._write(guest, descriptor, address, size)
            if not isinstance(verdict, syscalls.Answered) or verdict.result < 0:
                return verdict
            written += verdict.result
        return syscalls.Answered(written)

    def _fstat(self, guest: Guest, descriptor: int, address: int, *_: int) -> syscalls.Verdict:
        if descriptor & 0xFFFFFFFF > 2:
            return syscalls.Answered(-errno.EBADF)
        return syscalls.Answered(_put_status(guest, address, 2, 0o20620, 0))  # a terminal

    def _newfstatat(self, guest: Guest, descriptor: int, path: int, address: int, *_: int) -> syscalls.Verdict:
        if guest.read(path, 1) == b"\0":
            return self._fstat(guest, descriptor, address)
        return self._no_file(guest, path)

    def _openat(self, guest: Guest, descriptor: int, path: int, *_: int) -> syscalls.Verdict:
        return self._no_file(guest, path)

    def _no_file(self, guest: Guest, path: int) -> syscalls.Verdict:
        """The library looks for settings of the host by itself, and does without; no program names those files."""
        name = guest.read(path, 64).partition(b"\0")[0]
        if name.startswith((b"/etc/", b"/usr/share/zoneinfo", b"/usr/lib/locale", b"/usr/lib64/gconv", b"/proc/")):
            return syscalls.Answered(-errno.ENOENT)
        return syscalls.Refused("a program in a cell has no files", "give it memory with buffers=, or text with stdin=")

    def _ioctl(self, guest: syscalls.Guest, descriptor: int, request: int, address: int, *_: int) -> syscalls.Verdict:
        # TCGETS: stdio asks whether a line is to be written as soon as it is complete. It is, as on a terminal.
        if descriptor & 0xFFFFFFFF <= 2 and request & 0xFFFFFFFF == 0x5401 and guest.write(address, bytes(36)):
            return syscalls.Answered(0)
        return syscalls.Answered(-errno.ENOTTY)

    def _lseek(self, guest: syscalls.Guest, descriptor: int, *_: int) -> syscalls.Verdict:
        return syscalls.Answered(-errno.ESPIPE if descriptor & 0xFFFFFFFF <= 2 else -errno.EBADF)

    def _reserve(
        self, guest: syscalls.Guest, address: int, size: int, protection: int, flags: int, *rest: int
    ) -> syscalls.Verdict:
        if not protection & 7:  # malloc reserves 128 MiB for a second arena, and does without
            return syscalls.Answered(-errno.ENOMEM)
        return self._mmap(guest, address, size, protection, flags, *rest)

    def _mremap(self, guest: syscalls.Guest, address: int, old: int, new: int, flags: int, *_: int) -> syscalls.Verdict:
        old, new = page_ceil(old), page_ceil(new)
        if not self._mapped_here(address, old) or not new:
            return syscalls.Answered(-errno.EINVAL)
        if new <= old:
            self._mapped -= old - new
            return syscalls.Carried(syscalls.NUMBERS["mremap"], (address, old, new, 0, 0))
        if not flags & 1:  # MREMAP_MAYMOVE
            return syscalls.Answered(-errno.ENOMEM)
        if self._next + new + PAGE > STACK_START or not self._grow(new - old):
            return syscalls.Exhausted("memory")
        place, self._next = self._next, self._next + new + PAGE
        return syscalls.Carried(syscalls.NUMBERS["mremap"], (address, old, new, 3, place))  # MAYMOVE, FIXED

    def _mprotect(self, guest: syscalls.Guest, address: int, size: int, protection: int, *_: int) -> syscalls.Verdict:
        if protection & 4 or not self._mapped_here(address, page_ceil(size)):
            return syscalls.Refused(
                "memory keeps its protection, so that nothing is ever writable and executable at once"
            )
        return syscalls.Carried(syscalls.NUMBERS["mprotect"], (address, size, protection))

    def _madvise(self, guest: syscalls.Guest, address: int, size: int, advice: int, *_: int) -> syscalls.Verdict:
        if advice != 4 or not self._mapped_here(address, page_ceil(size)):  # MADV_DONTNEED
            return syscalls.Answered(0)
        return syscalls.Carried(syscalls.NUMBERS["madvise"], (address, size, advice))

    def _mapped_here(self, address: int, size: int) -> bool:
        return address >= BREAK and address + size <= self._next and address % PAGE == 0

    def _futex(self, guest: syscalls.Guest, address: int, operation: int, *_: int) -> syscalls.Verdict:
        if operation & 127 in (1, 10):  # FUTEX_WAKE, FUTEX_WAKE_BITSET: nobody waits
            return syscalls.Answered(0)
        return syscalls.Refused("it waits for a lock that nobody will release", "was a stream or a lock overwritten?")

    def _nothing(self, guest: syscalls.Guest, *_: int) -> syscalls.Verdict:
        return syscalls.Answered(0)

    def _tgkill(self, guest: syscalls.Guest, group: int, thread: int, number: int, *_: int) -> syscalls.Verdict:
        if (group, thread, number) != (syscalls.PID, syscalls.PID, signal.SIGABRT):
            return syscalls.Refused("a program in a cell sends no signals, neither to others nor to itself")
        said = bytes(self.stderr).decode(errors="replace").rstrip().rpartition("\n")[2]
        why = f": {said}" if said else ""
        hint = (
            "the heap was overwritten, or given something that malloc did not return"
            if re.search(r"free\(\)|malloc|realloc|corrupt|chunk|munmap", said)
            else "what the C library wrote to stderr says why"
        )
        return syscalls.Raised("SIGABRT", Cause("abort", f"the program was aborted{why}", look_at=hint))

    def _sysinfo(self, guest: syscalls.Guest, address: int, *_: int) -> syscalls.Verdict:
        size = self.limits.memory_size
        data = struct.pack("<q3QQQQQQQHHIQQI", 0, 0, 0, 0, size, size, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1)
        return syscalls.Answered(0 if guest.write(address, data) else -errno.EFAULT)

    def _prlimit(self, guest: syscalls.Guest, _pid: int, _kind: int, new: int, old: int, *_: int) -> syscalls.Verdict:
        if new or not old:
            return syscalls.Refused("how the program's process is set up stays as it is")
        return syscalls.Answered(0 if guest.write(old, struct.pack("<QQ", 1 << 20, 1 << 20)) else -errno.EFAULT)

    def _entropy(self, guest: syscalls.Guest, address: int, size: int, flags: int, *_: int) -> syscalls.Verdict:
        if size == 8 and flags == 1:  # malloc marks freed memory with a number; a program may read it by mistake
            return syscalls.Answered(8 if guest.write(address, bytes(range(0xB0, 0xB8))) else -errno.EFAULT)
        return self._getrandom(guest, address, size)

    def _time(self, guest: syscalls.Guest, address: int, *_: int) -> syscalls.Verdict:
        seconds = self._now(0) // 1_000_000_000
        if address and not guest.write(address, struct.pack("<q", seconds)):
            return syscalls.Answered(-errno.EFAULT)
        return syscalls.Answered(seconds)

    def _gettimeofday(self, guest: syscalls.Guest, address: int, *_: int) -> syscalls.Verdict:
        now = self._now(0)
        data = struct.pack("<qq", now // 1_000_000_000, now % 1_000_000_000 // 1000)
        return syscalls.Answered(0 if guest.write(address, data) else -errno.EFAULT)

    _handlers: Mapping[str, Callable[..., syscalls.Verdict]] = MappingProxyType(
        {
            **syscalls.Desk._handlers,
            "writev": _writev,
            "fstat": _fstat,
            "newfstatat": _newfstatat,
            "openat": _openat,
            "ioctl": _ioctl,
            "lseek": _lseek,
            "mmap": _reserve,
            "mremap": _mremap,
            "mprotect": _mprotect,
            "madvise": _madvise,
            "futex": _futex,
            "rt_sigprocmask": _nothing,
            "close": _nothing,
            "sched_yield": _nothing,
            "gettid": syscalls.Desk._getpid,
            "tgkill": _tgkill,
            "sysinfo": _sysinfo,
            "prlimit64": _prlimit,
            "getrandom": _entropy,
            "time": _time,
            "gettimeofday": _gettimeofday,
        }
    )
