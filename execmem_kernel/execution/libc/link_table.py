"""What the loader links: an ELF "executable" in memory that names the functions a program calls, stubs and gates."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from execmem_kernel.execution.contract.address_map import PAGE, page_ceil, page_floor
from execmem_kernel.execution.libc import constants as elf
from execmem_kernel.execution.libc.constants import LOADER_STACK, LOADER_STACK_SIZE, TABLE
from execmem_kernel.execution.process.address_space import PlannedMapping
from execmem_kernel.program import externs
from execmem_kernel.program.program import Program

NOTED = ("rsp", "rdi", "rsi", "rdx", "rcx", "rax")
"""What a gate notes of a call, in this order, 8 bytes each."""
_GATE = 128
"""Bytes of a gate, and what its address is a multiple of."""


@dataclass(frozen=True, slots=True)
class LinkTable:
    """What the loader links: an ELF "executable" in memory, which has no code but names what the program calls."""

    contents: tuple[tuple[int, bytes], ...]
    """What is written before anything runs: address and bytes."""
    mappings: tuple[PlannedMapping, ...]
    headers: int
    """Address of the program headers."""
    headers_count: int
    stubs: tuple[int, int]
    """Start and end of the stubs and gates."""
    gates: Mapping[int, str]
    """A gate's start -> the function behind it."""
    notes: int
    """Where the gates note what they see of a call: `NOTED`, then where a misaligned one would have come back to."""
    flush: int
    """The code that calls fflush(NULL)."""


_LIBC, _LIBM = "libc.so.6", "libm.so.6"
_ALIASES = ("__environ", "_environ")
"""The library's own names of a variable that has moved to the program."""
_INTERPRETER = b"/lib64/ld-linux-x86-64.so.2\0"
_HEADERS, _HEADER_SIZE = 4, 56
_SYMBOL_SIZE, _RELOCATION_SIZE, _DYNAMIC_SIZE, _CELL = 24, 24, 16, 8
_DYNAMIC_ENTRIES = 10
"""Entries of the dynamic section besides those that name the libraries."""


class _Linked:
    """The names that are linked: those the program declares, and fflush."""

    def __init__(self, program: Program) -> None:
        self.externs = program.externs
        self.functions = [name for name in program.externs if name not in externs.VARIABLES]
        self.variables = [name for name in program.externs if name in externs.VARIABLES]
        self.names = ["fflush", *self.functions, *self.variables]
        self.aliases = _ALIASES if "environ" in self.variables else ()


class _ReadOnlyPart:
    """The first pages of the table: its program headers, then whatever is put behind them."""

    def __init__(self) -> None:
        self.data = bytearray(_HEADERS * _HEADER_SIZE)

    def put(self, data: bytes) -> int:
        """Add some bytes, aligned to 16; returns their address."""
        self.data.extend(bytes(-len(self.data) % 16))
        at = TABLE + len(self.data)
        self.data.extend(data)
        return at


def build_link_table(program: Program, needs_libm: bool) -> LinkTable:
    """Lay out the table, the stubs and the gates of a program.

    read-only:  program headers, interpreter, strings, symbols, hash table, relocations
    writable:   dynamic section, then a cell of 8 bytes for the address of each function; read-only once linked
    writable:   what gates note
    """
    linked = _Linked(program)
    part = _ReadOnlyPart()
    strings, offsets = _string_table(linked)
    interpreter_at, strings_at = part.put(_INTERPRETER), part.put(strings)
    symbols_at, hashes_at = part.put(_symbol_table(linked, offsets)), part.put(_hash_table(linked))
    # The relocations, which come last, name cells behind them: so their size is needed before they are made.
    read_only_size = page_ceil(len(part.data) + 16 + _RELOCATION_SIZE * len(linked.names))
    dynamic_at = TABLE + read_only_size
    needed = [(elf.DT_NEEDED, offsets[name]) for name in ((_LIBC, _LIBM) if needs_libm else (_LIBC,))]
    cells_at = dynamic_at + _DYNAMIC_SIZE * (len(needed) + _DYNAMIC_ENTRIES)
    relocations = _relocations(linked, cells_at)
    dynamic = [
        *needed,
        (elf.DT_HASH, hashes_at), (elf.DT_STRTAB, strings_at), (elf.DT_STRSZ, len(strings)),
        (elf.DT_SYMTAB, symbols_at), (elf.DT_SYMENT, _SYMBOL_SIZE), (elf.DT_RELA, part.put(relocations)),
        (elf.DT_RELASZ, len(relocations)), (elf.DT_RELAENT, _RELOCATION_SIZE), (elf.DT_FLAGS, elf.DF_BIND_NOW),
        (elf.DT_NULL, 0),
    ]  # fmt: skip
    linked_data = b"".join(struct.pack("<QQ", *entry) for entry in dynamic) + bytes(_CELL * len(linked.names))
    linked_size = page_ceil(len(linked_data))
    part.data[: _HEADERS * _HEADER_SIZE] = b"".join(
        (
            _program_header(elf.PT_INTERP, elf.PF_R, interpreter_at, len(_INTERPRETER), 1),
            _program_header(elf.PT_LOAD, elf.PF_R, TABLE, read_only_size, PAGE),
            _program_header(elf.PT_DYNAMIC, elf.PF_R | elf.PF_W, dynamic_at, _DYNAMIC_SIZE * len(dynamic), 8),
            # Once linked, the addresses of the functions are read-only.
            _program_header(elf.PT_RELRO, elf.PF_R, dynamic_at, linked_size, 1),
        )
    )
    notes = dynamic_at + linked_size
    start, code, gates, flush = _stubs_and_gates(program, linked, notes, cells_at)
    stubs = PlannedMapping(start, page_ceil(len(code)), "r-x")
    return LinkTable(
        contents=(
            (TABLE, bytes(part.data)),
            (dynamic_at, linked_data),
            (start, code.ljust(stubs.size, _INT3)),
        ),
        mappings=(
            PlannedMapping(TABLE, read_only_size, "r--"),
            PlannedMapping(dynamic_at, linked_size, "rw-"),
            PlannedMapping(notes, PAGE, "rw-"),
            PlannedMapping(LOADER_STACK, LOADER_STACK_SIZE, "rw-"),
            stubs,
            *_copied_variables(linked),
        ),
        headers=TABLE,
        headers_count=_HEADERS,
        stubs=(start, start + len(code)),
        gates=MappingProxyType(gates),
        notes=notes,
        flush=flush,
    )


def _string_table(linked: _Linked) -> tuple[bytes, dict[str, int]]:
    """The names, each ended by a zero byte, and where each begins."""
    strings, offsets = b"\0", {}
    for name in (_LIBC, _LIBM, *linked.names, *_ALIASES):
        offsets[name] = len(strings)
        strings += name.encode() + b"\0"
    return strings, offsets


def _symbol_table(linked: _Linked, offsets: Mapping[str, int]) -> bytes:
    """Functions that the library has to define, and variables that are defined here, under their other names too."""

    def symbol(name: str, kind: int, section: int, value: int, size: int) -> bytes:
        """Elf64_Sym: name, binding and type, visibility, section, value, size."""
        return struct.pack("<IBBHQQ", offsets[name], elf.STB_GLOBAL | kind, 0, section, value, size)

    def variable(name: str, address: int) -> bytes:
        return symbol(name, elf.STT_OBJECT, 1, address, 8)

    return b"".join(
        (
            bytes(_SYMBOL_SIZE),
            *(
                variable(name, linked.externs[name])
                if name in externs.VARIABLES
                else symbol(name, elf.STT_FUNC, 0, 0, 0)
                for name in linked.names
            ),
            *(variable(alias, linked.externs["environ"]) for alias in linked.aliases),
        )
    )


def _hash_table(linked: _Linked) -> bytes:
    """DT_HASH with one bucket, and one chain through all symbols."""
    count = len(linked.names) + len(linked.aliases) + 1
    chain = [index + 1 if index + 1 < count else 0 for index in range(1, count)]
    return struct.pack(f"<{4 + len(chain)}I", 1, count, 1, 0, *chain)


def _relocations(linked: _Linked, cells_at: int) -> bytes:
    """Elf64_Rela of each name: a function's address goes to its cell, a variable's value to the program."""
    rows = []
    for index, name in enumerate(linked.names):
        if name in externs.VARIABLES:
            where, kind = linked.externs[name], elf.R_X86_64_COPY
        else:
            where, kind = cells_at + _CELL * index, elf.R_X86_64_GLOB_DAT
        rows.append(struct.pack("<QQq", where, (index + 1) << 32 | kind, 0))
    return b"".join(rows)


def _program_header(kind: int, flags: int, address: int, size: int, alignment: int) -> bytes:
    return struct.pack("<IIQQQQQQ", kind, flags, address - TABLE, address, address, size, size, alignment)


def _copied_variables(linked: _Linked) -> tuple[PlannedMapping, ...]:
    """The pages for the variables of the library that the program names."""
    if not linked.variables:
        return ()
    start = page_floor(min(linked.externs[name] for name in linked.variables))
    end = page_ceil(max(linked.externs[name] for name in linked.variables) + externs.SLOT)
    return (PlannedMapping(start, end - start, "rw-"),)


_INT3, _JMP = b"\xcc", b"\xe9"
_XOR_EDI_JMP_CELL = b"\x31\xff\xff\x25"
"""xor edi, edi; jmp [rip + ...]: what calls fflush(NULL)."""


def _stubs_and_gates(
    program: Program, linked: _Linked, notes: int, cells_at: int
) -> tuple[int, bytes, dict[int, str], int]:
    """The code that leads to the functions: its start, its bytes, the gates in it, and what calls fflush(NULL)."""
    addresses = [program.externs[name] for name in linked.functions]
    start = page_floor(min(addresses, default=program.address - externs.STUBS_BELOW))
    stubs_end = max(addresses, default=start - externs.SLOT) + externs.SLOT
    code = bytearray(_INT3 * (-(-stubs_end // _GATE) * _GATE - start))
    gates = {}
    for index, (name, stub) in enumerate(zip(linked.functions, addresses, strict=True)):
        gate = start + len(code)
        gates[gate] = name
        code[stub - start : stub - start + 5] = _JMP + struct.pack("<i", gate - stub - 5)
        code += _gate(gate, notes, cells_at + _CELL * (index + 1))  # the first cell is that of fflush
    flush = start + len(code)
    code += _XOR_EDI_JMP_CELL + struct.pack("<i", cells_at - flush - 8)
    return start, bytes(code), gates, flush


def _gate(address: int, notes: int, cell: int) -> bytes:
    """Note rsp and the first arguments, change nothing but flags, go on to the function.

    Where rsp is not 16n+8, as it is behind every right call, the return address is noted too, if none has been yet.
    """
    code = b""
    encodings = {"rsp": b"\x48\x89\x25", "rdi": b"\x48\x89\x3d", "rsi": b"\x48\x89\x35", "rdx": b"\x48\x89\x15",
                 "rcx": b"\x48\x89\x0d", "rax": b"\x48\x89\x05"}  # fmt: skip
    for index, name in enumerate(NOTED):  # mov [rip + note], register
        code += encodings[name] + struct.pack("<i", notes + 8 * index - (address + len(code) + 7))
    misaligned = notes + 8 * len(NOTED)
    code += b"\x40\xf6\xc4\x07\x75\x06"  # test spl, 7; jnz to the note
    code += b"\x40\xf6\xc4\x08\x75\x13"  # test spl, 8; jnz to the function
    code += b"\x48\x83\x3d" + struct.pack("<ib", misaligned - (address + len(code) + 8), 0)  # cmp [rip + note], 0
    code += b"\x75\x09\xff\x34\x24"  # jne to the function; push [rsp]
    code += b"\x8f\x05" + struct.pack("<i", misaligned - (address + len(code) + 6))  # pop [rip + note]
    code += b"\xff\x25" + struct.pack("<i", cell - (address + len(code) + 6))  # jmp [rip + cell]
    return code.ljust(_GATE, _INT3)
