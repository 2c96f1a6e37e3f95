"""Layout: where everything lies, and branches that grow until they reach."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.program.program import CODE_ADDRESS
from tests.assembly.linked import decoded
from tests.assembly.reported import refusals


def test_code_starts_where_it_is_asked_to_and_first_bytes_are_the_entry() -> None:
    program = assemble("mov eax, 42\nret", address=0x40_0000)
    assert (program.address, program.entry, program.code.hex()) == (0x40_0000, 0x40_0000, "b82a000000c3")


def test_each_segment_has_pages_of_its_own_with_a_gap_before_it() -> None:
    program = assemble(
        '.text\nret\n.data\nx: .quad 5\n.section .rodata\nm: .asciz "hi"\n.bss\nb: .skip 5000\n.text\nmov rax, [x]'
    )
    assert [
        (segment.name, segment.address - CODE_ADDRESS, segment.size, segment.protection) for segment in program.segments
    ] == [
        ("text", 0, 8, "r-x"),
        ("rodata", 0x2000, 3, "r--"),
        ("data", 0x4000, 8, "rw-"),
        ("bss", 0x6000, 5000, "rw-"),
    ]
    assert program.segments[3].data == b""


def test_a_label_in_brackets_is_reached_relative_to_rip() -> None:
    for spelling in ("mov rax, [x]", "mov rax, [rip+x]", "mov rax, [rel x]", "mov rax, x[rip]", "mov rax, qword ptr x"):
        assert assemble(f"{spelling}\nret\nx: .quad 1").code.hex() == "488b0501000000c30100000000000000", spelling


def test_data_may_stand_behind_the_code_in_the_same_segment() -> None:
    program = assemble('lea rsi, [msg]\nret\nmsg: .asciz "ok"')
    assert program.code == bytes.fromhex("488d3501000000c3") + b"ok\0"


@pytest.mark.parametrize(("distance", "size"), [(127, 2), (128, 6)])
def test_a_jump_forward_is_short_as_long_as_it_reaches(distance: int, size: int) -> None:
    assert len(assemble(f"jz there\n.skip {distance}, 0x90\nthere: ret").code) == size + distance + 1


@pytest.mark.parametrize(("distance", "size"), [(126, 2), (127, 5)])
def test_a_jump_back_is_short_as_long_as_it_reaches(distance: int, size: int) -> None:
    assert len(assemble(f"there: .skip {distance}, 0x90\njmp there").code) == size + distance


def test_one_jump_that_grows_can_make_another_grow() -> None:
    source = "a: jmp c\n.skip 124\njmp d\nc: .skip 200\nd: ret"
    assert [row.size for row in assemble(source).listing if row.kind == "instruction"] == [5, 5, 1]


def test_jumps_around_padding_find_their_shortest_form() -> None:
    source = "jmp a\n.balign 16\n.skip 100\njmp b\n.balign 16\na: .skip 110\nb: ret"
    sizes = [row.size for row in assemble(source).listing if row.kind == "instruction"]
    assert sizes[0] == 2


def test_a_short_jump_that_does_not_reach_is_refused() -> None:
    assert refusals("jmp short far\n.skip 200\nfar: ret") == [("ASM116", 1, 5)]


def test_a_long_chain_of_growing_jumps_ends() -> None:
    program = assemble(
        "\n".join(f"l{n}: jmp l{n + 60}" for n in range(600)) + "\n" + "\n".join(f"l{n}: ret" for n in range(600, 660))
    )
    assert decoded(program.code, CODE_ADDRESS)[-1].strip() == "ret"


def test_a_count_may_depend_on_the_layout() -> None:
    program = assemble("start: jmp over\ntimes 62-($-$$) db 0xcc\nover: dw 0xaa55")
    assert (len(program.code), program.code[:3].hex()) == (64, "eb3ccc")


def test_a_size_that_depends_on_itself_is_refused() -> None:
    assert refusals("a: .zero b-a+1\nb: ret") == [("ASM037", 1, 4)]
