"""The link table: an ELF that says what a program calls, and the stubs and gates that lead there."""

from __future__ import annotations

import struct

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.execution.libc import constants as elf
from execmem_kernel.execution.libc.link_table import LinkTable, build_link_table
from execmem_kernel.x86.disassembler import disassemble

SOURCE = "extern puts\nextern strlen\nextern stdout\ncall puts\ncall strlen\nmov rax, [stdout]\nret"


def table_of(source: str = SOURCE, needs_libm: bool = False) -> LinkTable:
    return build_link_table(assemble(source), needs_libm)


def read(table: LinkTable, address: int, size: int) -> bytes:
    for start, data in table.contents:
        if start <= address and address + size <= start + len(data):
            return data[address - start : address - start + size]
    raise AssertionError(f"{address:#x} is not in the table")


def dynamic(table: LinkTable) -> list[tuple[int, int]]:
    """The entries of the dynamic section, as the loader finds it: by the program header that names it."""
    headers = [struct.unpack("<IIQQQQQQ", read(table, table.headers + 56 * n, 56)) for n in range(table.headers_count)]
    start, size = next((header[3], header[5]) for header in headers if header[0] == elf.PT_DYNAMIC)
    return list(struct.iter_unpack("<QQ", read(table, start, size)))


def text(table: LinkTable, offset: int) -> str:
    strings, size = dict(dynamic(table))[elf.DT_STRTAB], dict(dynamic(table))[elf.DT_STRSZ]
    return read(table, strings, size)[offset:].partition(b"\0")[0].decode()


@pytest.mark.parametrize(("needs_libm", "libraries"), [(False, ["libc.so.6"]), (True, ["libc.so.6", "libm.so.6"])])
def test_the_libraries_that_are_needed_are_named(needs_libm: bool, libraries: list[str]) -> None:
    table = table_of(needs_libm=needs_libm)
    assert [text(table, value) for tag, value in dynamic(table) if tag == elf.DT_NEEDED] == libraries


def test_each_name_has_a_relocation_of_its_kind() -> None:
    program = assemble(SOURCE)
    table = build_link_table(program, False)
    entries = dict(dynamic(table))
    found = {}
    for where, info, _ in struct.iter_unpack("<QQq", read(table, entries[elf.DT_RELA], entries[elf.DT_RELASZ])):
        symbol = read(table, entries[elf.DT_SYMTAB] + entries[elf.DT_SYMENT] * (info >> 32), 4)
        found[text(table, struct.unpack("<I", symbol)[0])] = info & 0xFFFFFFFF, where
    assert set(found) == {"fflush", "puts", "strlen", "stdout"}
    assert found["stdout"] == (elf.R_X86_64_COPY, program.externs["stdout"])
    assert {kind for name, (kind, _) in found.items() if name != "stdout"} == {elf.R_X86_64_GLOB_DAT}


def test_a_stub_leads_to_its_gate_and_the_gate_to_its_cell() -> None:
    program = assemble(SOURCE)
    table = build_link_table(program, False)
    entries = dict(dynamic(table))
    cells = [
        where
        for where, info, _ in struct.iter_unpack("<QQq", read(table, entries[elf.DT_RELA], entries[elf.DT_RELASZ]))
        if info & 0xFFFFFFFF == elf.R_X86_64_GLOB_DAT
    ]
    reached = []
    for gate, name in table.gates.items():
        jump = disassemble(read(table, program.externs[name], 5), program.externs[name])[0]
        assert (jump.mnemonic, jump.target) == ("jmp", gate)
        last = next(one for one in disassemble(read(table, gate, 128), gate) if one.mnemonic == "jmp")
        reached.append(last.end + struct.unpack("<i", last.code[-4:])[0])
    assert reached == cells[1:]  # the first is that of fflush


def test_nothing_of_it_is_writable_and_executable() -> None:
    assert {mapping.protection for mapping in table_of().mappings} == {"r--", "rw-", "r-x"}
