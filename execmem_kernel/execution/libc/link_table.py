"""What the loader links: an ELF "executable" in memory that names the functions a program calls, stubs and gates."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from execmem_kernel.execution.contract.address_map import PAGE, page_ceil, page_floor
from execmem_kernel.execution.libc.constants import (
    LOADER_STACK,
    LOADER_STACK_SIZE,
    PT_DYNAMIC,
    PT_INTERP,
    PT_LOAD,
    PT_RELRO,
    R_X86_64_COPY,
    R_X86_64_GLOB_DAT,
    STT_FUNC,
    STT_OBJECT,
    TABLE,
)
from execmem_kernel.execution.process.address_space import PlannedMapping
from execmem_kernel.program import externs
from execmem_kernel.program.program import Program

NOTED = ("rsp", "rdi", "rsi", "rdx", "rcx", "rax")
"""What a gate notes of a call, in this order, 8 bytes each."""


_GATE = 128


@dataclass(frozen=True, slots=True)
class LinkTable:
    """What the loader links: an ELF "executable" in memory, which has no code but names what the program calls."""

    contents: tuple[tuple[int, bytes], ...]
    mappings: tuple[PlannedMapping, ...]
    headers: int
    headers_count: int
    stubs: tuple[int, int]
    gates: Mapping[int, str]
    """A gate's start -> the function behind it."""
    notes: int
    flush: int
    """The code that calls fflush(NULL)."""


_ALIASES = ("__environ", "_environ")


def build_link_table(program: Program, needs_libm: bool) -> LinkTable:
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
            symbols += struct.pack("<IBBHQQ", offsets[name], 0x10 | STT_OBJECT, 0, 1, program.externs[name], 8)
        else:
            symbols += struct.pack("<IBBHQQ", offsets[name], 0x10 | STT_FUNC, 0, 0, 0, 0)
    aliases = [alias for alias in _ALIASES if "environ" in variables]
    for alias in aliases:  # the library's own names of a variable that has moved here
        where = program.externs["environ"]
        symbols += struct.pack("<IBBHQQ", offsets[alias], 0x10 | STT_OBJECT, 0, 1, where, 8)
    count = len(linked) + len(aliases) + 1
    chain = [index + 1 if index + 1 < count else 0 for index in range(1, count)]
    hashes = struct.pack(f"<{4 + len(chain)}I", 1, count, 1, 0, *chain)  # one bucket, one chain through everything
    headers_count = 4
    position = headers_count * 56
    page = bytearray(position)

    def put(data: bytes) -> int:
        page.extend(bytes(-len(page) % 16))
        at = TABLE + len(page)
        page.extend(data)
        return at

    interpreter_at, strings_at, symbols_at, hashes_at = map(put, (interpreter, strings, symbols, hashes))
    relocation_size = 24 * len(linked)
    read_only_size = page_ceil(len(page) + 16 + relocation_size)
    dynamic_at = TABLE + read_only_size
    needed = [(1, offsets["libc.so.6"])] + ([(1, offsets["libm.so.6"])] if needs_libm else [])  # DT_NEEDED
    cells_at = dynamic_at + 16 * (len(needed) + 10)
    relocations = b""
    for index, name in enumerate(linked):
        where, kind = (
            (program.externs[name], R_X86_64_COPY)
            if name in externs.VARIABLES
            else (cells_at + 8 * index, R_X86_64_GLOB_DAT)
        )
        relocations += struct.pack("<QQq", where, (index + 1) << 32 | kind, 0)
    relocations_at = put(relocations)
    # DT_HASH, DT_STRTAB, DT_STRSZ, DT_SYMTAB, DT_SYMENT, DT_RELA, DT_RELASZ, DT_RELAENT, DT_FLAGS: DF_BIND_NOW
    dynamic = [*needed, (4, hashes_at), (5, strings_at), (10, len(strings)), (6, symbols_at), (11, 24)]
    dynamic += [(7, relocations_at), (8, len(relocations)), (9, 24), (30, 8), (0, 0)]
    linked_data = b"".join(struct.pack("<QQ", *entry) for entry in dynamic) + bytes(8 * len(linked))
    linked_size = page_ceil(len(linked_data))
    notes = dynamic_at + linked_size

    def program_header(kind: int, flags: int, address: int, size: int, alignment: int) -> bytes:
        return struct.pack("<IIQQQQQQ", kind, flags, address - TABLE, address, address, size, size, alignment)

    page[:position] = b"".join(
        (
            program_header(PT_INTERP, 4, interpreter_at, len(interpreter), 1),
            program_header(PT_LOAD, 4, TABLE, read_only_size, PAGE),
            program_header(PT_DYNAMIC, 6, dynamic_at, 16 * len(dynamic), 8),
            # Once linked, the addresses of the functions are read-only.
            program_header(PT_RELRO, 4, dynamic_at, linked_size, 1),
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
    stubs = PlannedMapping(stubs_start, page_ceil(len(code)), "r-x")
    mappings = [
        PlannedMapping(TABLE, read_only_size, "r--"),
        PlannedMapping(dynamic_at, linked_size, "rw-"),
        PlannedMapping(notes, PAGE, "rw-"),
        PlannedMapping(LOADER_STACK, LOADER_STACK_SIZE, "rw-"),
        stubs,
    ]
    if variables:
        start = page_floor(min(program.externs[name] for name in variables))
        end = page_ceil(max(program.externs[name] for name in variables) + externs.SLOT)
        mappings.append(PlannedMapping(start, end - start, "rw-"))
    contents = (
        (TABLE, bytes(page)),
        (dynamic_at, linked_data),
        (stubs_start, bytes(code).ljust(stubs.size, b"\xcc")),
    )
    extent = (stubs_start, stubs_start + len(code))
    return LinkTable(
        contents, tuple(mappings), TABLE, headers_count, extent, MappingProxyType(gates), notes, flush
    )  # fmt: skip


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
    return code.ljust(_GATE, b"\xcc")
