"""Source text becomes a program: layout, names, branch sizes, listing, caps."""

from __future__ import annotations

import dataclasses

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.nops import nops
from execmem_kernel.assembly.semantics.sections import SIZE_LIMIT
from execmem_kernel.errors import AssemblyError
from execmem_kernel.program.program import CODE_ADDRESS, ListingRow, Program
from tests.assembly.linked import decoded, linked


def refusals(source: str, syntax: str = "intel") -> list[tuple[str, int, int]]:
    """Code, line and column of every error."""
    with pytest.raises(AssemblyError) as caught:
        assemble(source, syntax=syntax)  # type: ignore[arg-type]
    return [(found.code, found.line, found.column) for found in caught.value.diagnostics]


# ---- layout ----------------------------------------------------------------------------------------------------------


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


def test_start_comes_before_main_and_main_before_the_first_byte() -> None:
    assert assemble("nop\nmain: ret").entry == CODE_ADDRESS + 1
    assert assemble("nop\nmain: nop\n_start: ret").entry == CODE_ADDRESS + 2


def test_unknown_sections_go_where_their_flags_say() -> None:
    program = assemble('.section mine,"aw"\nx: .long 1\n.section yours,"ax"\nret')
    assert [segment.name for segment in program.segments] == ["text", "data"]


def test_notes_for_the_linker_take_no_room() -> None:
    program = assemble('ret\n.section .note.GNU-stack,"",@progbits\n.long 1f - 0f\n0: .asciz "GNU"\n1:')
    assert [segment.name for segment in program.segments] == ["text"]


def test_common_symbols_lie_in_bss_at_their_alignment() -> None:
    program = assemble("ret\n.comm one, 3\n.comm two, 64, 32")
    assert program.labels["two"] % 32 == 0
    assert program.segments[-1].name == "bss"


# ---- jumps -----------------------------------------------------------------------------------------------------------


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


# ---- names -----------------------------------------------------------------------------------------------------------


def test_numeric_labels_are_the_nearest_before_or_after() -> None:
    assert assemble("1: nop\njmp 1b\njmp 1f\n1: jmp 1b\n2: jmp 2b").code.hex() == "90ebfdeb00ebfeebfe"


def test_a_dotted_label_belongs_to_the_label_before_it() -> None:
    program = assemble("section .text\na: nop\n.l: jmp .l\nb: nop\n.l: jmp .l\njmp a.l")
    assert program.code.hex() == "90ebfe90ebfeebf9"
    assert {"a.l", "b.l"} <= set(program.labels)


def test_compilers_dotted_labels_are_known_everywhere() -> None:
    assert assemble("main: jmp .L2\nother: nop\n.L2: ret").code.hex() == "eb0190c3"


def test_a_constant_may_be_set_again_and_each_use_sees_the_value_before_it() -> None:
    assert assemble("x = 1\nmov al, x\nx = 2\nmov al, x\nret").code.hex() == "b001b002c3"


def test_equ_remembers_the_place_where_it_stands() -> None:
    program = assemble('mov edx, len\nret\nmsg: db "hello"\nlen equ $ - msg\nmore: db 1')
    assert program.code.hex().startswith("ba05000000")


def test_a_difference_of_labels_inside_one_block_of_data_is_a_plain_number() -> None:
    assert assemble("add rax, e - s\nret\ns: .skip 5\ne:").code.hex().startswith("4883c005")


def test_the_address_of_a_value_and_of_its_line_are_told_apart() -> None:
    gnu = assemble(".intel_syntax noprefix\nret\n.data\nx: .quad 1, . - x").segments[1].data
    nasm = assemble("section .text\nret\nsection .data\nx: dq 1, $ - x").segments[1].data
    assert (gnu[8], nasm[8]) == (8, 0)


def test_what_a_bare_label_means_is_what_the_source_declares() -> None:
    assert assemble("section .text\nmov rsi, x\nret\nx: dq 1").code.hex().startswith("48be0b00001000000000c3")
    assert assemble(".intel_syntax noprefix\nmov rsi, x\nret\nx: .quad 1").code.hex().startswith("488b35")
    assert refusals("mov rsi, x\nret\nx: .quad 1") == [("ASM035", 1, 10)]


def test_names_from_elsewhere_are_gathered_and_unknown_names_are_errors() -> None:
    assert set(assemble("extern printf, puts\ncall printf\nret").externs) == {"printf"}
    assert set(assemble("call puts@PLT\nret").externs) == {"puts"}
    assert set(assemble("section .text\nextern puts\ncall puts wrt ..plt\nret").externs) == {"puts"}
    assert refusals("call printf\nret") == [("ASM040", 1, 6)]


def test_a_label_defined_twice_names_the_first_place() -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble("a: nop\n  a: ret")
    (found,) = caught.value.diagnostics
    assert (found.code, found.line, found.column) == ("ASM041", 2, 3)
    assert found.related[0][0].line == 1


# ---- padding and room ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(1, 64))
def test_padding_in_code_is_as_few_nops_as_may_be(size: int) -> None:
    texts = decoded(nops(size), 0)
    assert all("nop" in text for text in texts)
    assert len(texts) == -(-size // 11)
    assert len(nops(size)) == size


def test_padding_in_code_is_what_gnu_as_writes() -> None:
    for size in (1, 10, 11, 12, 23, 87, 88, 95, 129, 130, 200, 511, 1000):
        source = f".text\nret\n.skip {1023 - size}, 0xcc\n.p2align 10\nret\n"
        program = assemble(source)
        assert program.code == linked(source, program)["text"]


def test_padding_in_a_nasm_source_is_what_nasm_writes() -> None:
    source = (
        "section .text\nnop\nalign 16\nret\nalign 8, int3\nret\nalign 32, db 0x55\nret\nsection .data\na db 1\n"
        "align 8\nb db 2\nalignb 8\nc db 3\nalign 4, db 0\nd db 4\nsection .rodata\nr db 1\nalign 16\nq db 2\n"
    )
    program = assemble(source)
    reference = linked(source, program, assembler="nasm")
    assert {segment.name: segment.data for segment in program.segments} == reference


def test_padding_in_data_is_zeros_or_what_is_asked_for() -> None:
    data = assemble("ret\n.data\n.byte 1\n.align 4\n.byte 2\n.balign 4, 0xff\n.byte 3").segments[1].data
    assert data.hex() == "01000000" + "02ffffff" + "03"


def test_alignment_past_its_limit_is_left_out() -> None:
    assert assemble("nop\n.p2align 4,,10\nret").code.hex() == "90c3"


def test_a_count_may_depend_on_the_layout() -> None:
    program = assemble("start: jmp over\ntimes 62-($-$$) db 0xcc\nover: dw 0xaa55")
    assert (len(program.code), program.code[:3].hex()) == (64, "eb3ccc")


def test_a_size_that_depends_on_itself_is_refused() -> None:
    assert refusals("a: .zero b-a+1\nb: ret") == [("ASM037", 1, 4)]


@pytest.mark.parametrize(
    "source",
    [".skip 100000000", ".fill 1000000, 8, 1", "times 1000000000 db 0", "db 99999 dup (1000 dup (0))",
     ".org 0x7fffffff\nnop", ".skip 600000\n.skip 600000", "resq 200000"],
)  # fmt: skip
def test_no_program_is_larger_than_the_cap(source: str) -> None:
    assert refusals(source)[0][0] == "ASM062"
    assert SIZE_LIMIT == 1 << 20


@pytest.mark.parametrize(
    "source",
    [".rept 1000000000\nnop\n.endr", "times 1000000000 nop", "%rep 1000\n%rep 1000\nnop\n%endrep\n%endrep",
     ".macro a\n.rept 60000\nnop\n.endr\n.endm\na\na"],
)  # fmt: skip
def test_no_program_expands_past_the_cap(source: str) -> None:
    assert refusals(source)[0][0] == "ASM060"


def test_files_are_never_read() -> None:
    for source in ('.include "x"', '.incbin "x"', 'incbin "x"', '%include "x"', "include x"):
        assert refusals(source)[0][0] == "ASM059", source


# ---- listing, source map, warnings -----------------------------------------------------------------------------------


def test_the_listing_has_a_row_for_each_instruction_and_each_piece_of_data() -> None:
    program = assemble("top: dec ecx\n  jnz top ; again\n.align 4\nret\nx: .word 1, 2")
    assert [(row.kind, row.offset, row.code.hex(), row.text) for row in program.listing] == [
        ("instruction", 0, "ffc9", "dec ecx"),
        ("instruction", 2, "75fc", "jne top"),
        ("instruction", 4, "c3", "ret"),
        ("data", 5, "01000200", ".word 0x1, 0x2"),
    ]
    jump = program.listing[1]
    assert (jump.source, jump.span.line, jump.span.column, jump.span.end_column) == ("  jnz top ; again", 2, 3, 10)


ITEMS = {
    ".byte 1, 2": "b",
    ".value 1": "h",
    ".long 1": "i",
    ".quad 1, x": "q",
    ".octa 1": "o",
    ".float 1": "f",
    ".double 1": "d",
    ".tfloat 1": "t",
    '.ascii "12"': "s",
    ".uleb128 300": "x",
    ".skip 5": "x",
    ".fill 2, 4, 1": "i",
    ".balign 64": "",
    "nop": "",
    'db "12"': "b",
    "dw 1": "h",
    "dw 1.5": "e",
    "dd 1, 2 ; 1.5": "i",
    "dd 1, 2.5": "f",
    "dq 1": "q",
    "dq 1e3": "d",
    "dd 3 dup (1.5)": "f",
    "dt 1.5": "t",
    "resb 3": "x",
    "resd 3": "i",
    "resy 1": "x",
    "times 3 dd 1": "i",
    "times 3 dd x": "i",
    "times 8-($-x) db 1": "b",
}
"""A line -> the item of the rows that it makes."""


@pytest.mark.parametrize("line", ITEMS)
def test_the_listing_says_what_data_consist_of(line: str) -> None:
    program = assemble(f"x: ret\n{line}")
    assert {row.item for row in program.listing if row.span.line == 2} == {ITEMS[line]}


def test_masms_words_say_what_data_consist_of_too() -> None:
    made = assemble(".data\na SDWORD 1\nb REAL4 1.5\nc REAL8 ?\nd REAL10 1.5\ne BYTE 1")
    assert [row.item for row in made.listing] == ["i", "f", "d", "t", "b"]


def test_data_that_a_macro_makes_are_what_they_are_without_it() -> None:
    made = assemble(".data\n.macro pair\n.long 1\n.double 2\n.endm\npair")
    assert [row.item for row in made.listing] == ["i", "d"]


def test_the_fields_of_a_structure_are_what_fills_them() -> None:
    source = "struc p\n.x: resd 2\n.y: resq 1\nendstruc\nsection .data\nistruc p\nat p.x, dd 5\nat p.y, dq 6\niend"
    assert [(row.size, row.item) for row in assemble(source).listing] == [(4, "i"), (4, "x"), (8, "q")]


def test_a_program_knows_whether_a_compiler_wrote_it() -> None:
    assert assemble("f:\n.cfi_startproc\nret\n.cfi_endproc").compiled
    assert not assemble("f:\nret # as behind .cfi_startproc").compiled


def test_a_program_pickled_before_it_had_all_its_fields_has_their_defaults() -> None:
    program = assemble("ret\nx: .long 1")
    copy = Program.__new__(Program)
    copy.__setstate__([getattr(program, field.name) for field in dataclasses.fields(program)][:-1])
    assert copy == program
    assert ListingRow(*program.listing[0][:-1]) == program.listing[0]


def test_every_byte_knows_the_line_it_comes_from() -> None:
    program = assemble("mov eax, 1\n\n.rept 2\n  inc eax\n.endr\nret")
    assert [program.line_at(CODE_ADDRESS + offset) for offset in (0, 4, 5, 7, 9)] == [1, 1, 4, 4, 6]


def test_lines_of_a_macro_are_traced_to_the_call_and_to_the_body() -> None:
    program = assemble(".macro two reg\n  push \\reg\n  pop \\reg\n.endm\ntwo rax\nret")
    first, second, _ = program.listing
    assert (first.span.line, first.source, first.expansion) == (5, "two rax", ((2, "  push rax"),))
    assert second.expansion == ((3, "  pop rax"),)


def test_equal_sources_give_equal_programs() -> None:
    assert assemble("mov eax, 1\nret") == assemble("mov eax, 1\nret")
    assert hash(assemble("mov eax, 1\nret")) == hash(assemble("mov eax, 1\nret"))


@pytest.mark.parametrize(
    ("source", "warnings"),
    [
        ("mov eax, 1", [("ASM080", 1)]),
        ("mov eax, 1\nret", []),
        ("jmp end\nmov eax, 1\nend: ret", [("ASM081", 2)]),
        ("jmp end\nint3\nend: ret", []),
        ("nop\nunused: ret", [("ASM083", 2)]),
        (".globl used\nnop\nused: ret", []),
        ("mov eax, 60\nsyscall", []),
        ("again: jmp again", []),
        ("mov eax, 1\nret:", [("ASM080", 1), ("ASM082", 2)]),
        ("mov eax, 1 ; mov ebx, 2\nret", [("ASM084", 1)]),
        ('.warning "slow"\nret', [("ASM086", 1)]),
    ],
)
def test_what_is_doubtful_is_said_and_blocks_nothing(source: str, warnings: list[tuple[str, int]]) -> None:
    program = assemble(source)
    assert [(found.code, found.line) for found in program.warnings] == warnings
    assert all(found.severity == "warning" for found in program.warnings)


# ---- errors ----------------------------------------------------------------------------------------------------------


def test_all_errors_are_told_at_once_in_the_order_of_the_lines() -> None:
    source = "mov eax, [rsp*2]\nmov rax, ebx\nfoo\njmp nowhere\n.bytes 1\nmov al, 300"
    assert [(code, line) for code, line, _ in refusals(source)] == [
        ("ASM021", 1), ("ASM107", 2), ("ASM100", 3), ("ASM040", 4), ("ASM050", 5), ("ASM108", 6),
    ]  # fmt: skip


def test_twenty_errors_are_enough() -> None:
    assert len(refusals("mov eax, [rax\n" * 1000)) == 20


def test_a_source_that_is_no_text_and_a_syntax_that_is_none_are_misuse() -> None:
    with pytest.raises(TypeError):
        assemble(b"nop")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="intel"):
        assemble("nop", syntax="masm")  # type: ignore[arg-type]


def test_no_source_at_all_is_a_program_without_code() -> None:
    for source in ("", "\n\n", "; nothing\n", "/* nothing\nat all */"):
        assert assemble(source).code == b""


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(ending: str) -> None:
    assert assemble(ending.join(["mov eax, 1", "ret"])).code.hex() == "b801000000c3"


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("mov eax, [x]\nx: .long 5\nret", 2),
        ("x: .quad 5\nmov rax, [x]\nret", 1),
        ('nop\ntext: .asciz "no code"\nret', 2),
        ("section .text\nnop\ntext db 'no code'\nret", 3),
        ("mov eax, [x]\nret\nx: .long 5", 0),
        ("x: .long 5\nmain: mov eax, [x]\nret", 0),
        ("call f\ntext: .asciz 'x'\nf: ret", 0),  # a call may be there for the address of what follows it
        ("nop\nby_hand: .byte 0x90\nret", 0),
        ("mov eax, 60\nsyscall\nx: .long 5", 0),
    ],
)
def test_data_in_the_way_of_the_program_are_pointed_out(source: str, line: int) -> None:
    found = [warning.line for warning in assemble(source).warnings if warning.code == "ASM092"]
    assert found == ([line] if line else [])


def test_what_stands_behind_the_end_is_pointed_out() -> None:
    assert [warning.code for warning in assemble("ret\nend if\n; over\nmov eax, 1").warnings] == ["ASM093"]
    assert assemble("main: ret\nend main\n\n; over").warnings == ()


def test_a_text_is_no_place_to_go_to() -> None:
    assert refusals('main: call "main"') == [("ASM011", 1, 12)]
    assert assemble('.intel_syntax noprefix\nmain: jmp "main"').code.hex() == "ebfe"  # to GNU as it is a name
