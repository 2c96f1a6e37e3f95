"""NASM's local labels may have any name; what declares a dialect is a directive used as one, never a label."""

# ruff: noqa: E501 (programs stand on one line each)

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.syntax.dialect_detection import dialect_of
from execmem_kernel.assembly.syntax.dialects import GNU, MASM, MIXED, NASM, UNDECLARED, DialectRules
from execmem_kernel.assembly.syntax.directives import DIRECTIVES, LINE_DIRECTIVES
from execmem_kernel.errors import AssemblyError

NAMES = sorted(name for name in {*DIRECTIVES, *LINE_DIRECTIVES} if name[0] == "." and name[1:].isalpha())
BODY = """section .text
global main
main:   mov edi, 010
        mov ecx, 1 == 1
        mov ebx, `\\n`
        mov edx, 2 > 1
        test edi, edi
        jz {name}
        nop
{label}  ret
"""


def nasm(source: str, tmp_path: Path) -> bytes:
    """The bytes that NASM itself makes."""
    path = tmp_path / "source.asm"
    path.write_text(f"bits 64\n{source}")
    done = subprocess.run(["nasm", "-f", "bin", "-w-all", "-o", tmp_path / "out", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return (tmp_path / "out").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_local_label_of_any_name_changes_nothing_of_how_a_source_is_read(name: str) -> None:
    expected = assemble(BODY.format(name=".here", label=".here:")).code
    for label in (f"{name}:", f"{name} :", name, f"{name}:\n", f"{name.upper()}:\n{name}:", f"{name} nop\n"):
        source = BODY.format(name=name, label=label)
        if label.endswith("nop\n"):
            assert assemble(source).code == expected[:-1] + b"\x90\xc3"
        else:
            assert assemble(source).code == expected, label


@pytest.mark.skipif(shutil.which("nasm") is None, reason="compares with NASM")
@pytest.mark.parametrize("name", [".zero", ".data", ".if", ".else", ".endm", ".end", "end", ".text", ".string"])
def test_nasm_reads_the_same(name: str, tmp_path: Path) -> None:
    source = BODY.format(name=name, label=f"{name}\n").replace("global main\n", "")
    assert assemble(source).code == nasm(source, tmp_path)


@pytest.mark.parametrize("word", ["end", ".end", "endp", "public", "title"])
def test_a_word_of_another_assembler_alone_on_its_line_drops_no_code(word: str) -> None:
    assert assemble(f"section .text\nglobal f\nf: mov eax, 1\n{word}\nret").code.hex() == "b801000000c3"


def test_a_section_of_gnus_in_nasm_source_is_a_label() -> None:
    program = assemble("section .data\nx: dd 1\n .text\n dd 2\nsection .text\nmov eax, [x]\nret")
    assert {segment.name: bytes(segment.data).hex() for segment in program.segments}["data"] == "0100000002000000"


def test_fields_of_a_structure_survive_a_label_called_zero() -> None:
    source = "struc Node\n.Prev: resq 1\nendstruc\n mov qword [rax+Node.Prev], 0\n jmp .zero\n.zero:\n ret"
    assert assemble(source).code.hex() == "48c70000000000eb00c3"


def test_end_still_ends_what_is_not_nasm() -> None:
    assert [found.code for found in assemble(".intel_syntax noprefix\nret\n.end\nnop").warnings] == ["ASM093"]
    assert assemble(".code\nmain proc\nret\nmain endp\nend main\n").code == b"\xc3"


@pytest.mark.parametrize(
    ("source", "rules"),
    [
        ("section .text\n.zero: ret", NASM), ("global main\nmain:\n.data: ret", NASM), ("x db 5\n.long: ret", NASM),
        ("section .text\n.string db 'a'", NASM), ("section .text\n.byte ret", NASM), ("section .text\n.byte 5", MIXED),
        ("global main\n.globl main", MIXED), ("x db 5\n.text\nret", MIXED), (".intel_syntax noprefix\ndb 5", MIXED),
        (".intel_syntax noprefix\nret", GNU), (".text\n.globl f\nf: ret", UNDECLARED), ("mov eax, 1", UNDECLARED),
        (".code\nx: ret", MASM), (".model flat\n.data\nx db 5", MASM), ("main proc\nret\nmain endp\nend", MASM),
        ("section .text\n.code: ret", NASM), (".code: ret", UNDECLARED), ("%define x 5\n.const:\nret", NASM),
        ("; section .text\nmov eax, 1", UNDECLARED), ("extern puts\n.code\nmain proc\nret\nmain endp", MASM),
        ("section .text\n.else:\n.endif:\n.macro:\n.rept:\n.if:\nret", NASM), ("section:\nret", UNDECLARED),
    ],
)  # fmt: skip
def test_only_directives_declare_a_dialect(source: str, rules: DialectRules) -> None:
    assert dialect_of(source) is rules


@pytest.mark.parametrize(
    "source",
    [
        "%macro ret 0\n leave\n ret\n%endmacro\nsection .text\nmain: enter 0,0\n ret",
        "%macro push 1-*\n%rep %0\n push %1\n%rotate 1\n%endrep\n%endmacro\npush rax, rbx, rcx\nret",
        "%macro pop 1-*\n%rep %0\n%rotate -1\n pop %1\n%endrep\n%endmacro\npop rax, rbx\nret",
        "%macro syscall 1\n mov eax, %1\n syscall\n%endmacro\nsyscall 60\nsyscall",
        "%macro mov 3\n mov %1, %2\n mov %2, %3\n%endmacro\nmov rax, rbx, rcx\nmov rax, rbx\nret",
        "%macro inner 0\n nop\n%endmacro\n%macro nop 0\n inner\n inner\n%endmacro\nnop\nret",
        "%imacro RET 0\n nop\n ret\n%endmacro\nRet\nret",
        "%macro add 2\n%if 1\n add %1, %2\n%endif\n%endmacro\n%macro sub 2\n add %1, -%2\n%endmacro\nsub rax, 3\nret",
    ],
)
@pytest.mark.skipif(shutil.which("nasm") is None, reason="compares with NASM")
def test_a_macro_is_not_expanded_inside_itself(source: str, tmp_path: Path) -> None:
    assert assemble(source).code == nasm(source, tmp_path)


def test_a_macro_that_calls_itself_is_told_so() -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble("%macro count 1\n mov eax, %1\n count %1 - 1\n%endmacro\ncount 3\nret")
    (found,) = caught.value.diagnostics
    assert (found.code, found.line) == ("ASM067", 3)


@pytest.mark.parametrize("digits", ["1" + "0" * 63, "1" * 64, "0" * 40 + "1" * 64, "10" * 32])
def test_a_binary_number_has_as_many_digits_as_a_register(digits: str) -> None:
    value = int(digits, 2).to_bytes(8, "little")
    for text in (f"0b{digits}", f"{digits}b", f"0{digits}b", f"0y{digits}", f"{digits}y", f"0b{'_'.join(digits)}"):
        assert assemble(f"dq {text}").code == value, text
        assert assemble(f"section .text\nmov rax, {text}\nret").code[-9:-1].endswith(value[-1:]), text
    assert assemble(f".quad 0b{digits}").code == value


def test_a_number_longer_than_any_register_is_refused() -> None:
    for text in ("1" * 129 + "b", "0b1" + "0" * 128, "1" * 65, "0x" + "f" * 70):
        with pytest.raises(AssemblyError) as caught:
            assemble(f"dq {text}")
        assert caught.value.diagnostics[0].code in ("ASM017", "ASM053")


@pytest.mark.skipif(shutil.which("nasm") is None, reason="compares with NASM")
@pytest.mark.parametrize(
    "text",
    [
        "dd -0B0.0000000111", "dq 0x1.8p3, 0x1.8p-3, 0x.8p1", "dd 0x1p4, -0x1.p+2", "dq 0b1.1, 0b101p-2, 0y1.01p3",
        "dq 0o1.7p3, 0q7.4", "dt 0x1.fp-9", "dd 0x1.fffffffp0", "dq 0x1.123456789abcdefp100", "dq 0h1.8p1",
    ],
)  # fmt: skip
def test_floating_point_in_other_bases_is_what_nasm_makes_of_it(text: str, tmp_path: Path) -> None:
    assert assemble(f"section .text\n{text}").code == nasm(text, tmp_path)


@pytest.mark.parametrize(
    "name", ["str", "in", "out", "loop", "test", "inc", "sub", "add", "not", "cmp", "push", "pop", "call", "and", "or"]
)
@pytest.mark.parametrize(
    "line",
    [
        "movzbl {}(%rax), %ecx", "movsbl {}(%rax), %ecx", "movzwl {}(%rip), %ecx", "movslq {}(%rax), %rcx",
        "movsbq {}(,%rax,4), %rcx", "fldl {}(%rax)", "fildll {}(%rax)", "flds {}(%rip)", "cvtsi2sdl {}(%rax), %xmm0",
    ],
)  # fmt: skip
def test_a_variable_named_like_an_instruction_is_one_in_att_syntax(name: str, line: str) -> None:
    source = ".data\n{0}: .quad 1\n.text\nmain: {1}\nret"
    expected = assemble(source.format("plain", line.format("plain")), "att").code
    assert assemble(source.format(name, line.format(name)), "att").code == expected


def test_a_label_without_its_colon_is_still_told_in_att_syntax() -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble("start mov $1, %eax\nret", "att")
    assert caught.value.diagnostics[0].code == "ASM033"


@pytest.mark.parametrize("source", [".globl x\nret", "global Main\nmain: ret", "public f, g\nf: ret"])
def test_a_global_that_nothing_defines_is_a_warning(source: str) -> None:
    assert "ASM094" in {found.code for found in assemble(source).warnings}


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("mov far ebx, 1", "far"), ("xor eax, far eax", "far"), ("mov eax, near 5", "near"), ("jmp short rax", "short"),
        ("jmp far rax", "far"), ("call far rbx", "far"), ("push short 5", "short"), ("add near eax, ebx", "near"),
        ("mov eax, short ebx", "short"), (".intel_syntax nop?efix", "nop?efix"), (".intel_syntax noprefix x", "noprefix x"),
        ("default] rel", "]"), ("default sometimes", "default sometimes"), ("lock lock add [rax], eax", "lock"),
        ("rep rep movsb", "rep"), ("repne repnz scasb", "repnz"), ("section-------- .data", "-"), ("section + x", "+"),
        ("bits 64 x", "64 x"), ("mov eax, dword bcst ebx", "dword bcst ebx"),
    ],
)  # fmt: skip
def test_words_that_mean_nothing_are_refused_and_not_dropped(line: str, word: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(f"{line}\nret")
    found = caught.value.diagnostics[0]
    assert found.source_line[found.column - 1 : found.span.end_column - 1] == word


def test_words_that_say_how_far_stay_where_something_goes() -> None:
    assert assemble("jmp near rax").code.hex() == "ffe0"
    assert assemble("jmp near [rax]").code.hex() == "ff20"
    assert assemble("jmp far [rax]").code.hex() == "ff28"
    assert assemble("jmp short x\nx: ret").code.hex() == "eb00c3"


def test_labels_of_empty_sections_have_an_address() -> None:
    program = assemble(
        "section .data\nmsg:\nsection .bss\nroom:\nsection .text\nlea rdi, [rel msg]\nmov rax, room\nret"
    )
    assert program.labels["msg"] > program.address
    assert program.labels["room"] > program.address
