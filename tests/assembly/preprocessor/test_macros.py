"""Macros, repetition and conditions of NASM and of GNU as."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import AssemblyError
from tests.assembly.linked import linked


def refused(source: str) -> str:
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    return caught.value.diagnostics[0].code


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("%define N 5\nmov al, N", "b005"),
        ("%define sq(x) ((x)*(x))\nmov al, sq(2+1)", "b009"),
        ("%define a b\n%define b 3\nmov al, a", "b003"),
        ("%define x x\nx: jmp x", "ebfe"),
        ("%xdefine a 1\n%xdefine b a\n%undef a\nmov al, b", "b001"),
        ("%idefine Count 7\nmov al, COUNT", "b007"),
        ("%assign i 1\n%rep 3\ndb i\n%assign i i*2\n%endrep", "010204"),
        ("%macro p 2\npush %1\npush %2\n%endmacro\np rax, rbx", "5053"),
        ("%macro p 1-2 rcx\npush %1\npush %2\n%endmacro\np rax\np rax, rbx", "50515053"),
        ("%macro m 0\n%%l: jmp %%l\n%endmacro\nm\nm", "ebfeebfe"),
        ("%macro all 1-*\n%rep %0\npush %1\n%rotate 1\n%endrep\n%endmacro\nall rax, rcx, rdx", "505152"),
        ("%macro text 1+\ndb %1\n%endmacro\ntext 'a', 1, 2", "610102"),
        ("%macro m 1\nnop\n%endmacro\n%macro m 2\nret\n%endmacro\nm 1\nm 1, 2", "90c3"),
        ("%ifdef X\nnop\n%else\nret\n%endif", "c3"),
        ("%define X\n%ifdef X\nnop\n%else\nret\n%endif", "90"),
        ("%define V 3\n%if V = 2\nnop\n%elif V == 3\nret\n%else\nhlt\n%endif", "c3"),
        ("%ifidn rax, rax\nret\n%endif", "c3"),
        ("%ifnidn rax, rbx\nret\n%endif", "c3"),
        ("%ifnum 5\nret\n%endif", "c3"),
        ("%if 0\nbad line [[\n%if 1\nworse\n%endif\n%endif\nret", "c3"),
        ("%strlen n 'hello'\nmov al, n", "b005"),
        ("%rep 5\nnop\n%exitrep\n%endrep\nret", "90c3"),
        ("%define reg(n) r %+ n\nmov reg(8), rax", "4989c0"),
        (".rept 3\nnop\n.endr", "909090"),
        (".rept 2\n.rept 2\nnop\n.endr\nret\n.endr", "9090c39090c3"),
        (".irp r, rax, rbx\npush \\r\n.endr", "5053"),
        (".irpc d, 123\n.byte \\d\n.endr", "010203"),
        (".macro two a, b=7\n.byte \\a, \\b\n.endm\ntwo 1\ntwo 1, 2\ntwo b=3, a=4", "010701020403"),
        (".macro s n\n.long 5\n.byte \\n\n.if \\n\ns \\n-1\n.endif\n.endm\ns 1", "05000000010500000000"),
        (".macro l\nx\\@: jmp x\\@\n.endm\nl\nl", "ebfeebfe"),
        (".macro v a:vararg\n.byte \\a\n.endm\nv 1, 2, 3", "010203"),
        (".macro j n\nmov \\n\\()x, 1\n.endm\nj ea", "b801000000"),
        (".macro m\nnop\n.exitm\nret\n.endm\nm", "90"),
        (".macro m r:req\npush \\r\n.endm\nm rax", "50"),
        (".macro m\nnop\n.endm\n.purgem m\n.macro m\nret\n.endm\nm", "c3"),
        (".if 2 > 1\nret\n.else\nnop\n.endif", "c3"),
        (".ifdef a\nnop\n.else\nret\n.endif", "c3"),
        ("a = 1\n.ifdef a\nnop\n.endif\n.ifndef a\nret\n.endif", "90"),
        (".ifc a, a\nret\n.endif", "c3"),
        (".ifeq 0\nret\n.endif", "c3"),
        (".if 0\n.elseif 1\nret\n.endif", "c3"),
        ("lab: .rept 2\nnop\n.endr", "9090"),
    ],
)
def test_a_macro_does_what_its_assembler_does(source: str, code: str) -> None:
    assert assemble(source).code.hex() == code


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (".macro a\na\n.endm\na", "ASM061"), ("%macro a 0\na\n%endmacro\na", "ASM067"), (".rept 3\nnop", "ASM065"),
        (".macro a\nnop", "ASM065"),
        (".if 1\nnop", "ASM065"), ("%if 1\nnop", "ASM065"), (".endr", "ASM052"), (".endm", "ASM052"), ("%endmacro",
        "ASM052"), (".else", "ASM052"),
        ("%endif", "ASM052"), ("%macro m 2\nnop\n%endmacro\nm 1", "ASM066"), (".macro m a\nnop\n.endm\nm 1, 2",
        "ASM066"), (".exitm", "ASM052"),
        (".macro m r:req\npush \\r\n.endm\nm", "ASM066"), (".rept -1\nnop\n.endr", "ASM056"), (".rept x\nnop\n.endr",
        "ASM036"), (".if x\nnop\n.endif", "ASM036"),
        ("".join(f"%define {a} {','.join([b] * 8)}\n" for a, b in ("ab", "bc", "cd", "de", "e1")) + "db a", "ASM064"),
        ("%include 'x'", "ASM059"), ("%error no", "ASM063"), (".error \"no\"", "ASM063"), ("%frobnicate", "ASM050"),
        ("%define", "ASM051"),
        ("%rotate 1", "ASM052"), (".macro", "ASM065"), ("%assign x", "ASM051"),
    ],
)  # fmt: skip
def test_what_goes_wrong_in_a_macro_is_told(source: str, code: str) -> None:
    assert refused(source) == code


def told(source: str) -> list[list[str]]:
    """For each error: the marked pieces of source, `line:text`, the guilty one first."""
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    places = []
    for found in caught.value.diagnostics:
        rows = [(found.span, found.source_line), *((span, line) for span, line, _ in found.related)]
        places.append(
            [
                f"{span.line}:{line[span.column - 1 : span.end_column - 1]}"
                for span, line in rows
                if span.column < span.end_column
            ]
        )
    return places


NASM = "section .text\n"
GNU = ".intel_syntax noprefix\n"


@pytest.mark.parametrize(
    ("source", "places"),
    [
        # What is wrong in the body is marked there, with the call.
        ("%macro m 1\n mvo eax, %1\n%endmacro\n" + NASM + " m 5", ["2:mvo", "5:m 5"]),
        ("%macro m 1\n mov %1, [rsp*2]\n%endmacro\n" + NASM + " m rax", ["2:rsp", "5:m rax"]),
        (".macro m a\n mov rax, \\a, 5\n.endm\n" + GNU + " m rbx", ["2:mov rax, \\a, 5", "5:m rbx"]),
        # What is wrong in an argument is marked in the call, with the place that uses it.
        ("%macro m 1\n mov eax, %1\n%endmacro\n" + NASM + "x: m rbx", ["5:rbx", "2:%1"]),
        (".macro m a, b\n mov \\a, \\b\n.endm\n" + GNU + " m eax, nowhere", ["5:nowhere", "2:\\b"]),
        (".macro m a, b\n mov \\a, \\b\n.endm\n" + GNU + " m eax, b=nowhere", ["5:nowhere", "2:\\b"]),
        # Through several macros.
        (
            ".macro in a\n push \\a\n.endm\n.macro out a\n in \\a\n.endm\n" + GNU + " out eax",
            ["8:eax", "2:\\a", "5:\\a"],
        ),
        (
            "%macro in 1\n pop %1, 1\n%endmacro\n%macro out 1\n in %1\n%endmacro\n" + NASM + " out rax",
            ["2:pop %1, 1", "5:in %1", "8:out rax"],
        ),
        # Repetitions.
        ("%rep 2\n mov eax, rbx\n%endrep", ["2:rbx"]),
        (".rept 2\n mov eax, rbx\n.endr", ["2:rbx"]),
        (".irp r, rax, eax\n push \\r\n.endr", ["1:eax", "2:\\r"]),
        (".irp r, rax, rbx\n pop \\r, 1\n.endr", ["2:pop \\r, 1", "1:.irp r, rax, rbx"]),
        ("%macro m 1\n%rep 2\n push %1\n%endrep\n%endmacro\n" + NASM + " m eax", ["7:eax", "3:%1"]),
        # Constants by %define, and lines that go on behind a backslash.
        ("%define N 5.5\n" + NASM + " mov eax, N", ["3:N", "1:%define N 5.5"]),
        (NASM + "mov eax, \\\n  rbx", ["3:rbx"]),
    ],
)
def test_an_error_in_an_expansion_is_marked_where_somebody_wrote_it(source: str, places: list[str]) -> None:
    assert told(source)[0] == places


def test_an_error_in_a_macro_is_told_once_and_says_what_the_line_became() -> None:
    source = ".macro bad reg\n  nop\n  mov \\reg, 5.5\n.endm\nret\n  bad rax\n  bad rbx"
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    (found,) = caught.value.diagnostics
    assert (found.code, found.line, found.source_line) == ("ASM018", 3, "  mov \\reg, 5.5")
    assert str(found).split("\n")[1:9] == [
        "  |",
        "3 |   mov \\reg, 5.5",
        "  |             ^^^",
        "  |",
        "6 |   bad rax",
        "  |   ------- in this call",
        "  = what the line became: mov rax, 5.5",
        "  = hint: put it into memory with .double or .float and load it with movsd or movss",
    ]


def test_a_label_that_an_expansion_doubles_is_told_how_to_make_it_new() -> None:
    for source, words in (
        ("%macro m 0\nx: nop\n%endmacro\n" + NASM + "m\nm", "%%x"),
        (".macro m\nx: nop\n.endm\n" + GNU + "m\nm", "x\\@"),
        (".rept 2\nx: nop\n.endr", "`1:`"),
    ):
        with pytest.raises(AssemblyError) as caught:
            assemble(source)
        (found,) = caught.value.diagnostics
        assert (found.code, found.line) == ("ASM041", 2)
        assert words in found.hint


def test_a_macro_defined_in_a_macro_has_arguments_of_its_own() -> None:
    source = (
        "%macro out 1\n%macro in 1\nmov eax, %1\n%endmacro\nmov ecx, %1\nin 5\n%endmacro\nsection .text\nout 7\nret"
    )
    assert assemble(source).code.hex() == "b907000000" + "b805000000" + "c3"


def test_a_condition_may_be_an_argument_and_be_turned_round() -> None:
    source = "%macro unless 2\nj%-1 %%over\nmov eax, %2\n%%over:\n%endmacro\n%macro when 1\nj%+1 .end\n%endmacro\n"
    source += NASM + "f: unless z, 5\nunless nbe, 6\nwhen c\n.end: ret"
    assert assemble(source).code.hex() == "7505" + "b805000000" + "7605" + "b806000000" + "7200" + "c3"


def test_what_nasm_defines_by_itself_is_known() -> None:
    source = "%ifidn __OUTPUT_FORMAT__, elf64\nmov al, __BITS__\n%else\n%error other\n%endif\nret"
    assert assemble(source).code.hex() == "b040c3"


def test_parts_of_nasms_preprocessor_that_are_not_here_say_so() -> None:
    assert refused("%push here\nret") == "ASM059"
    assert refused("%defstr name text\nret") == "ASM059"


def test_a_label_before_a_nasm_macro_needs_no_colon() -> None:
    source = "%macro pair 2\ndb %1, %2\n%endmacro\nsection .data\nhere pair 1, 2\nthere: pair 3, 4\ndd there - here"
    assert assemble(source).segments[-1].data.hex() == "01020304" + "02000000"
    source = "%macro leave_now 0\nret\n%endmacro\nsection .text\nf: call leave_now\nret\nleave_now: ret"
    with pytest.raises(AssemblyError):  # an instruction is no label, and what is left of the macro's name no operand
        assemble(source.replace("leave_now: ret", ""))


def test_a_name_may_be_put_together_in_nasms_brackets() -> None:
    source = (
        "%define NAME count\n%assign %[NAME] 3\n%macro named 2\n%strlen %[%1 %+ _LEN] %2\n%1: db %2, %[%1 %+ _LEN]\n"
    )
    source += "%endmacro\nsection .data\nnamed hello, 'abcd'\ndb count"
    assert assemble(source).segments[-1].data == b"abcd\x04\x03"


def test_a_nasm_source_that_counts_bytes_counts_those_of_nasm() -> None:
    source = "section .text\nmov rsi, $ + 19\njmp short $ + 4\ndb 'hi'\nret\nx: mov rdi, x\nmov rax, x + 8\njmp $"
    program = assemble(source)
    assert program.code == linked(source, program, assembler="nasm")["text"]
    warned = [(warning.code, warning.line) for warning in program.warnings if warning.code == "ASM091"]
    assert warned == [("ASM091", 2), ("ASM091", 3)]  # other instructions may be shorter here than NASM makes them


def test_conditions_are_nested_within_a_limit() -> None:
    assert assemble(".if 1\n" * 900 + "ret\n" + ".endif\n" * 900).code.hex() == "c3"
    assert refused(".if 1\n" * 2000 + "ret") == "ASM061"
