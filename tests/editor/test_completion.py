"""Completion in a cell: the intended word comes first, and nobody else's word is ever offered."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

import array
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.syntax.directives import DIRECTIVES, LINE_DIRECTIVES, MASM_DATA
from execmem_kernel.assembly.syntax.words import KEYWORDS, PREFIXES, SIZES
from execmem_kernel.editor.asm_cell import asm_cell
from execmem_kernel.editor.completion import complete
from execmem_kernel.editor.completions import Completion
from execmem_kernel.editor.names import names_of
from execmem_kernel.editor.table import language
from execmem_kernel.errors import AssemblyError
from execmem_kernel.magics.options import EXPECTATIONS, LIMITS
from execmem_kernel.program.externs import FAMILIAR
from execmem_kernel.x86.forms import forms_of
from execmem_kernel.x86.mnemonics import is_mnemonic
from execmem_kernel.x86.registers import canonical_register
from tests.editor.positions import Position, positions

POSITIONS = list(positions())
VARIABLES = {
    "text": "abc",
    "count": 5,
    "data": array.array("i", [1]),
    "half": 0.5,
    "lanes": [0.5, 1.5],
    "print_": print,
    "_private": 1,
    "re": re,
}


def completions(marked: str) -> list[Completion]:
    """What is offered at the `|` of a cell."""
    cursor = marked.index("|")
    found = complete(marked.replace("|", "", 1), cursor, VARIABLES)
    assert found is not None
    assert found.end == cursor
    return list(found.items)


def words(marked: str) -> list[str]:
    return [item.text for item in completions(marked)]


# ---- the table of positions ------------------------------------------------------------------------------------------


def is_first(position: Position) -> bool:
    found = complete(position.text, position.cursor, VARIABLES)
    assert found is not None
    typed = position.text[found.start : position.cursor]
    meant = position.word[position.word.find(typed) :]
    first = found.items[0].text if found.items else ""
    return first == meant or (first.endswith("=") and meant.startswith(first))


def test_the_intended_word_comes_first() -> None:
    missed = [position for position in POSITIONS if not is_first(position)]
    assert len(POSITIONS) >= 200
    assert set(Counter(position.dialect for position in POSITIONS)) == {"NASM", "GNU", "MASM", "AT&T"}
    assert len(missed) <= len(POSITIONS) * 0.05, [(position.text[-20:], position.word) for position in missed]


def is_ours(item: Completion, position: Position) -> bool:
    """Whether the assembler, the magic, or the cell itself knows the word."""
    cell = asm_cell(position.text)
    assert cell is not None
    word = item.text.lower().lstrip("%")
    match item.kind:
        case "instruction":
            return is_mnemonic(word) or word in language().att_mnemonics
        case "prefix":
            return word in PREFIXES
        case "register":
            return canonical_register(word.rstrip("=")) is not None
        case "label" | "constant" | "macro":
            names = {name.name for name in names_of(cell)}
            return item.text in names or re.fullmatch(r"[0-9]+[bf]", item.text) is not None
        case "directive":
            known = word in DIRECTIVES or word in MASM_DATA or word in LINE_DIRECTIVES
            return known or item.text in language().directives["nasm_preprocessor"] | language().directives["gnu"]
        case "size":
            return word in SIZES
        case "keyword":
            return word in KEYWORDS or word in ("64", "prefix", "noprefix") or word in language().decorations
        case "library function":
            return item.text in FAMILIAR or item.text in {name.name for name in names_of(cell)}
        case "option":
            return item.text in language().options
        case "value":
            return item.text in (*EXPECTATIONS, "intel", "att") or item.text.rstrip("=") in LIMITS
        case "variable":
            return item.text in VARIABLES
    return False


@pytest.mark.parametrize("position", POSITIONS, ids=lambda position: f"{position.dialect}-{position.word}")
def test_no_foreign_word_is_offered(position: Position) -> None:
    found = complete(position.text, position.cursor, VARIABLES)
    assert found is not None
    for item in found.items:
        assert is_ours(item, position), item
        typed = position.text[found.start : position.cursor].lower().lstrip("%.")
        assert item.text.lower().lstrip("%.").startswith(typed), item


@given(st.text(alphabet="movaxrd[]%$;#'\"/*,:.\n \t0x1bé😀{}()", max_size=60), st.integers(0, 70))
@settings(max_examples=400, deadline=None)
def test_every_text_and_cursor_has_an_answer(body: str, place: int) -> None:
    for magic in ("%%asm\n", "%%asm --syntax att rdi=5\n", "%%asm\nsection .data\n", "%%asm\n.intel_syntax noprefix\n"):
        cell = magic + body
        cursor = min(place, len(cell))
        found = complete(cell, cursor, VARIABLES)
        assert found is not None
        assert 0 <= found.start <= found.end == cursor


# ---- registers by what fits ------------------------------------------------------------------------------------------

PLACES = [
    "mov |, eax", "mov rax, |", "mov al, |", "add dword ptr [rdi], |", "movzx eax, |", "movsxd rax, |", "lea |, [rdi]",
    "shl rax, |", "imul rax, |", "push |", "jmp |", "call |", "cvtsi2sd xmm0, |", "cvttsd2si |, xmm1", "addsd xmm0, |",
    "vaddps ymm0, ymm1, |", "vaddps zmm0, |, zmm2", "movd |, eax", "movq rax, |", "movq |, rax", "bswap |", "xchg |, ax",
    "cmpxchg [rdi], |", "pinsrd xmm0, |, 1", "crc32 eax, |", "kmovw |, eax", "mov ds, |", "test |, bl", "sete |", "mulx rax, rbx, |",
    "popcnt ax, |", "in |, dx", "pextrq |, xmm0, 1", "vpbroadcastd zmm0, |", "bt |, 5", "enter 8, 0\nmov [rbp-8], |",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_every_register_that_is_offered_assembles(place: str) -> None:
    offered = [item.text for item in completions(f"%%asm\n{place}") if item.kind == "register"]
    assert offered
    for register in offered:
        assemble(place.replace("|", register))


ATT_PLACES = [
    "movl |, %ebx", "movq %rax, |", "movl $5, |", "addq $1, |", "movzbl |, %eax", "movzbl %al, |", "movslq %eax, |", "shlq %cl, |",
    "sarl |", "imulq $3, %rax, |", "cvtsi2sdq |, %xmm0", "cvttsd2sil %xmm0, |", "cmpb $0, |", "pushq |", "movsd |, %xmm1", "testb |, %al",
]  # fmt: skip


@pytest.mark.parametrize("place", ATT_PLACES)
def test_every_register_that_is_offered_assembles_in_att_syntax(place: str) -> None:
    offered = [item.text for item in completions(f"%%asm --syntax att\n{place}") if item.kind == "register"]
    assert offered
    for register in offered:
        assemble(place.replace("|", register), "att")


@pytest.mark.parametrize("place", PLACES)
def test_every_general_register_that_assembles_is_offered(place: str) -> None:
    offered = {item.text for item in completions(f"%%asm\n{place}")}
    for register in (*language().registers["r64"], *language().registers["r32"], "al", "ax", "xmm0", "ymm0", "zmm0"):
        try:
            assemble(place.replace("|", register))
        except AssemblyError:
            continue
        branch = place.split()[0] in ("jmp", "call")
        assert register in offered or (branch and register == "ax"), register


def test_addresses_are_made_of_whole_registers() -> None:
    assert {"rax", "rip", "r15"} <= set(words("%%asm\nmov eax, [|"))
    assert "eax" not in words("%%asm\nmov eax, [|")
    assert words("%%asm\nmov eax, [ebx + e|")[0].startswith("e")
    assert "rsp" not in words("%%asm\nmov eax, [rbx + 2*|")
    assert words("%%asm\nvgatherdps xmm1, [rdi + x|")[0] == "xmm0"


def test_a_mask_can_be_chosen_but_not_k0() -> None:
    assert words("%%asm\nvaddps zmm0{k|}, zmm1, zmm2") == [f"k{number}" for number in range(1, 8)]


# ---- where nothing may be offered ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "marked",
    [
        "%%asm\n; mo|",
        "%%asm\nmov eax, 1 ; mov r|",
        "%%asm\n# add|",
        "%%asm\n// add|",
        "%%asm\n/* add|",
        "%%asm\n/* a\nadd| */",
        '%%asm\n.ascii "mov|"',
        "%%asm\nsection .data\ndb 'mov|",
        "%%asm\n.intel_syntax noprefix\nnop; this is prose mo|",
        "%%asm\npri|",
        "%%asm\nmov eax, pri|",
        "%%asm\nimport|",
        "%%asm --trace pri|",
        "%%asm --stdin wor|",
        "# a comment mo|\n%%asm\nret",
    ],
)
def test_nothing_is_offered_in_comments_and_texts_and_for_pythons_words(marked: str) -> None:
    assert words(marked) == []


def test_another_cell_is_left_alone() -> None:
    for text in ("x = 1\nmo", "%%time\nmo", "x = '''\n%%asm\n'''\nmo", "%%asmx\nmo", "%asm mo"):
        assert complete(text, len(text)) is None


# ---- statements, directives, names -----------------------------------------------------------------------------------


def test_upper_case_is_answered_in_upper_case() -> None:
    assert words("%%asm\nMO|")[0] == "MOV"
    assert words("%%asm\nMOV RA|")[0] == "RAX"


def test_a_mnemonic_comes_with_an_example_and_its_sentence() -> None:
    assert completions("%%asm\nlea|")[0].sentence.startswith("lea rax, [rdi + rsi*4]: Puts the address")


def test_behind_a_prefix_stand_only_instructions_that_take_it() -> None:
    for prefix in ("rep", "repne", "lock"):
        for item in completions(f"%%asm\n{prefix} |"):
            forms = [form.info for form in forms_of(item.text)]
            assert item.kind == "instruction"
            assert any({"rep": f.can_use_rep_prefix, "repne": f.can_use_repne_prefix, "lock": f.can_use_lock_prefix}[prefix] for f in forms)  # fmt: skip


def test_directives_are_those_of_the_declared_dialect() -> None:
    assert all(word.startswith(".") for word in words("%%asm\n.intel_syntax noprefix\n.as|"))
    assert ".ascii" not in words("%%asm\nsection .data\n.as|")
    assert "section" not in words("%%asm\n.intel_syntax noprefix\nsect|")
    assert "%define" in words("%%asm\nsection .text\n%de|")
    assert "%define" not in words("%%asm\n.intel_syntax noprefix\n%de|")


def test_labels_come_with_their_lines_and_local_ones_stay_in_their_scope() -> None:
    cell = "%%asm\nsection .text\nmain:\n.next: inc eax\nother:\n.done: jmp .|\n.last: ret"
    assert words(cell) == [".done", ".last"]
    assert completions(cell)[0].sentence == "Label of line 5."


def test_a_numeric_label_is_offered_in_the_direction_where_it_stands() -> None:
    assert words("%%asm\n1: dec eax\njnz 1|") == ["1b"]
    assert words("%%asm\njmp 1|\n1: ret") == ["1f"]


def test_macros_and_constants_of_the_cell_are_offered() -> None:
    assert words("%%asm\n%macro twice 1\nadd %1, %1\n%endmacro\nsection .text\ntw|") == ["twice"]
    constant = completions("%%asm\nsection .text\nSIZE equ 8\nmov eax, SI|")[0]
    assert (constant.text, constant.sentence) == ("SIZE", "8, of line 2.")


def test_functions_of_the_library_are_offered_where_they_are_declared_and_called() -> None:
    assert words("%%asm\nextern put|")[0] == "puts"
    assert words("%%asm\nextern printf\ncall pri|")[0] == "printf"


# ---- the option line, snippets ---------------------------------------------------------------------------------------


def test_python_variables_stand_behind_a_register_and_only_those_that_fit() -> None:
    assert words("%%asm rdi=|") == ["count", "data", "text"]
    assert words("%%asm xmm0=|") == ["half", "lanes", "count", "data"]
    assert words("%%asm rdi=te|\nret") == ["text"]


def test_options_and_their_values_are_offered() -> None:
    assert words("%%asm --ex|") == ["--expect"]
    assert "--trace" not in words("%%asm --trace --|")
    assert words("%%asm --expect SIGS|") == ["SIGSEGV", "SIGSYS"]
    assert words("%%asm --expect=SIGF|") == ["SIGFPE"]
    assert words("%%asm --limit steps=10,out|") == ["output="]
    assert words("%%asm --entry st|\nstart: ret") == ["start"]
    assert words("%%asm --show rbx,xmm1|") == ["xmm1", *(f"xmm{number}" for number in range(10, 16))]
    assert words("%%asm --name an|") == []


@pytest.mark.parametrize("marked", ["%%asm|", "%%asm\n|", "%%asm --trace\n   |\n"])
def test_an_empty_cell_offers_three_programs(marked: str) -> None:
    items = completions(marked)
    assert [item.kind for item in items] == ["snippet"] * 3
    for item in items:
        assemble(item.text.removeprefix("%%asm\n"))


def test_an_empty_att_cell_offers_them_in_its_syntax() -> None:
    for item in completions("%%asm --syntax att\n|"):
        assemble(item.text, "att")
