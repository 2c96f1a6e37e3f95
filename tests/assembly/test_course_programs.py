"""Whole programs as courses and compilers write them: taken as written, and the same machine code as nasm and GNU as.

Each file of programs/ begins with comments that say what it does when it runs:

    stdout: "text\\n"    as a JSON string      status: 3     it exits with this
    stdin: "text\\n"     what it reads         returns: 55   `main` returns this, in rax
    warns: 12 ASM083    what we warn of        libc: yes     it calls the C library
    signal: SIGSYS      why we stop it

The reference is linked at the very addresses that our program has, so that bytes can be compared; both are then run.
"""

from __future__ import annotations

import json
import re
import subprocess
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import execmem_kernel as em
from tests.running import HANGS_S

PROGRAMS = Path(__file__).parent / "programs"
FOLDERS = ("nasm", "gnu", "gcc", "att", "gcc_att", "masm")
CASES = sorted(path for folder in FOLDERS for path in (PROGRAMS / folder).glob("*.*"))
REFERENCED = [path for path in CASES if path.parent.name != "masm"]

_TAG = re.compile(
    r"^\s*(?:;|#|//|/\*)\s*(stdout|stdin|status|returns|signal|libc|warns):\s*(.*?)\s*(?:\*/)?$", re.MULTILINE
)


@dataclass(frozen=True)
class Course:
    """A program of the collection and what its first lines promise."""

    path: Path
    source: str
    tags: dict[str, str]

    @property
    def syntax(self) -> str:
        return "att" if "att" in self.path.parent.name else "intel"

    @property
    def stdin(self) -> bytes:
        return json.loads(self.tags.get("stdin", '""')).encode()

    @property
    def stdout(self) -> bytes:
        return json.loads(self.tags.get("stdout", '""')).encode()


def course(path: Path) -> Course:
    source = path.read_text(encoding="utf-8")
    return Course(path, source, dict(_TAG.findall(source)))


@cache
def assembled(path: Path) -> em.Program:
    case = course(path)
    return em.assemble(case.source, syntax=case.syntax)


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def test_the_collection_is_whole() -> None:
    counts = {folder: len(list((PROGRAMS / folder).glob("*.*"))) for folder in FOLDERS}
    assert counts["nasm"] >= 40
    assert counts["gnu"] + counts["gcc"] >= 30
    assert counts["att"] + counts["gcc_att"] >= 25
    assert counts["masm"] >= 10
    for path in CASES:
        assert {"status", "returns", "signal"} & set(course(path).tags), f"{name_of(path)} promises nothing"


@pytest.mark.parametrize("path", CASES, ids=name_of)
def test_a_program_is_taken_as_written_and_does_what_it_says(path: Path) -> None:
    case, program = course(path), assembled(path)
    assert ", ".join(f"{warning.line} {warning.code}" for warning in program.warnings) == case.tags.get("warns", "")
    assert bool(program.externs) == ("libc" in case.tags)
    outcome = em.run(program, stdin=case.stdin)
    assert outcome.stdout == case.stdout, outcome.report()
    if "signal" in case.tags:
        assert isinstance(outcome, em.Faulted), outcome.report()
        assert outcome.signal == case.tags["signal"]
    elif "returns" in case.tags:
        assert isinstance(outcome, em.Returned), outcome.report()
        assert outcome.value == int(case.tags["returns"], 0) % 2**64
    elif isinstance(outcome, em.Returned):
        assert outcome.value % 256 == int(case.tags["status"])  # what a process shows of what main returns
    else:
        assert isinstance(outcome, em.Exited), outcome.report()
        assert outcome.status == int(case.tags["status"])


# ---- against nasm, GNU as and ld -------------------------------------------------------------------------------------

_START = """
    .intel_syntax noprefix
    .section .start, "ax"
    .globl _start
_start:
    call main
    mov edi, eax
    mov eax, 60
    syscall
"""


def _run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stderr}"
    return done.stdout


def _link(case: Course, program: em.Program, folder: Path) -> Path:
    """What nasm or GNU as, and ld, make of the source, each segment where our program has it."""
    text = case.source
    source = folder / f"program{case.path.suffix}"
    source.write_text(text, encoding="utf-8")
    if case.path.parent.name == "nasm":
        _run("nasm", "-f", "elf64", "-w-all", "-o", "program.o", source, cwd=folder)
    else:
        _run("as", "--64", "-o", "program.o", source, cwd=folder)
    if "main" in program.labels:
        (folder / "start.s").write_text(_START)
        _run("as", "--64", "-o", "start.o", "start.s", cwd=folder)
    start = 0x0F00_0000
    places = {segment.name: segment.address for segment in program.segments}
    last = max(segment.end for segment in program.segments)
    script = ["ENTRY(_start) SECTIONS {"]
    if "main" in program.labels:
        script.append(f" .start {start:#x} : {{ start.o(.start) }}")
    for name in ("text", "rodata", "data", "bss"):
        address = places.get(name, last + 0x10_0000)
        extra = {"bss": " *(COMMON)", "rodata": " program.o(.data.rel.ro*)"}.get(name, "")
        script.append(f" .{name} {address:#x} : {{ program.o(.{name} .{name}.*){extra} }}")
    script.append(" /DISCARD/ : { *(.note*) *(.comment) *(.eh_frame) } }")
    (folder / "link.ld").write_text("\n".join(script))
    symbols = [f"--defsym={name}={address:#x}" for name, address in program.externs.items()]
    objects = ["start.o", "program.o"] if "main" in program.labels else ["program.o"]
    _run(
        "ld",
        "-z",
        "noexecstack",
        "--no-warn-rwx-segments",
        "-T",
        "link.ld",
        *symbols,
        "-o",
        "program",
        *objects,
        cwd=folder,
    )
    return folder / "program"


def _section(program: Path, name: str) -> bytes:
    out = program.parent / f"{name}.bin"
    _run("objcopy", "-O", "binary", "-j", f".{name}", program, out, cwd=program.parent)
    return out.read_bytes() if out.exists() else b""


def _labels(program: Path) -> dict[str, int]:
    rows = (line.split() for line in _run("nm", program, cwd=program.parent).splitlines())
    return {row[2]: int(row[0], 16) for row in rows if len(row) == 3}


_OPERATION = re.compile(r"^\s*([0-9a-f]+):\t[^\t]*\t(.*?)\s*$")
_RIP = re.compile(r"\[rip[+-]0x[0-9a-f]+\](.*?)\s+# (0x[0-9a-f]+)")
_ABSOLUTE = re.compile(r"\b[cdefgs]s:(0x[0-9a-f]+)")
_NOP = re.compile(r"^(?:(?:data16|cs) )*(?:nop|xchg   ax,ax|int3)")
_WIDE = re.compile(r"^(?:mov|movabs) +r(\d+|[a-ds][xpi]),(0x[0-9a-f]+)$")
_HEX = re.compile(r"0x[0-9a-f]+")


def _decoded(code: bytes, address: int, folder: Path) -> list[tuple[int, str]]:
    """The instructions in GNU's own words, filling left out, an address in one spelling however it was encoded."""
    (folder / "code.bin").write_bytes(code)
    listing = _run(
        "objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "--adjust-vma", hex(address), "code.bin",
        cwd=folder,
    )  # fmt: skip
    rows = []
    for line in listing.splitlines():
        match = _OPERATION.match(line)
        if match is None or _NOP.match(match[2]) or not match[2]:
            continue
        text = _ABSOLUTE.sub(r"[\1]", _RIP.sub(r"[\2]\1", match[2]))
        wide = _WIDE.match(text)
        if wide is not None and int(wide[2], 0) < 2**32:
            # `mov rax, 5` is `mov eax, 5` to nasm: the same register afterwards.
            text = f"mov    {f'r{wide[1]}d' if wide[1].isdigit() else f'e{wide[1]}'},{wide[2]}"
        rows.append((int(match[1], 16), text))
    return rows


class _Code:
    """A text segment, decoded; a place is told by the number of its instruction, as encodings may differ in length."""

    def __init__(self, code: bytes, address: int, folder: Path, room: dict[str, int]) -> None:
        self._rows = _decoded(code, address, folder)
        self._addresses = [place for place, _ in self._rows]
        self._range = range(address, address + len(code) + 1)
        self._room = sorted((place, name) for name, place in room.items())
        """Labels of .bss, where the order of `.comm` and `.lcomm` is the assembler's own affair."""

    def place(self, value: int) -> str:
        if value in self._range:
            return f"#{bisect_left(self._addresses, value)}"
        before = bisect_left(self._room, (value, "\x7f")) - 1
        if before >= 0 and value < self._room[-1][0] + 0x1000:
            return f"{self._room[before][1]}+{value - self._room[before][0]:#x}"
        return hex(value)

    def rows(self) -> list[str]:
        return [_HEX.sub(lambda match: self.place(int(match[0], 16)), text) for _, text in self._rows]

    def data(self, data: bytes, other: bytes) -> list[str]:
        """The words of `data` that are not the same in `other`."""
        words = []
        index = 0
        data, other = data.rstrip(b"\0"), other.rstrip(b"\0")
        length = max(len(data), len(other)) + 8
        data, other = data.ljust(length, b"\0"), other.ljust(length, b"\0")
        while index < length:
            if data[index] == other[index]:
                index += 1
                continue
            start = next(
                (
                    at
                    for at in (index, index - 1, index - 2)
                    if int.from_bytes(data[at : at + 8], "little") in self._range
                ),
                index,
            )
            words.append(f"+{start:#x}: {self.place(int.from_bytes(data[start : start + 8], 'little'))}")
            index = start + 8
        return words


@pytest.mark.parametrize("path", REFERENCED, ids=name_of)
def test_a_program_is_the_machine_code_that_nasm_or_gnu_as_makes_of_it(path: Path, tmp_path: Path) -> None:
    case, program = course(path), assembled(path)
    reference = _link(case, program, tmp_path)
    text = _section(reference, "text")
    room = next((range(part.address, part.end) for part in program.segments if part.name == "bss"), range(0))
    symbols = _labels(reference) if room else {}
    common = {name for name, place in program.labels.items() if place in room and symbols.get(name, 0) in room}
    mine = _Code(program.code, program.address, tmp_path, {name: program.labels[name] for name in common})
    other = _Code(text, program.address, tmp_path, {name: symbols[name] for name in common})
    if program.code != text:
        assert mine.rows() == other.rows()
    for segment in program.segments[1:]:
        if segment.name != "bss":
            theirs = _section(reference, segment.name)
            assert mine.data(segment.data, theirs) == other.data(theirs, segment.data), segment.name
    if program.externs or "signal" in case.tags:
        return  # the reference has no C library where ours has stubs, and nobody to stop it
    done = subprocess.run([reference], input=case.stdin, capture_output=True, timeout=HANGS_S, check=False)
    expected = int(case.tags.get("returns") or case.tags["status"], 0) % 256
    assert (done.stdout, done.returncode) == (case.stdout, expected)


# ---- what students type when it is wrong -----------------------------------------------------------------------------


def wrong_rows() -> list[tuple[str, int, str, list[str]]]:
    """Source, line, the text under the caret, words the answer must have: the columns of wrong.txt."""
    rows = []
    for row in (PROGRAMS / "wrong.txt").read_text(encoding="utf-8").splitlines():
        source, guilty, words = row.replace("NBSP", "\u00a0").replace("ZWSP", "\u200b").split("\t")
        line, _, text = guilty.rpartition(":") if re.match(r"\d:\S", guilty) else ("1", "", guilty)
        rows.append((source.replace("\\n", "\n"), int(line), text, words.split("; ")))
    return rows


def test_the_table_of_wrong_programs_is_long_and_without_doubles() -> None:
    sources = [source for source, *_ in wrong_rows()]
    assert len(sources) == len(set(sources)) >= 200


@pytest.mark.parametrize(
    ("source", "line", "guilty", "words"), wrong_rows(), ids=[repr(row[0]) for row in wrong_rows()]
)
def test_what_students_type_wrong_is_refused_where_it_is_wrong_and_with_advice(
    source: str, line: int, guilty: str, words: list[str]
) -> None:
    with pytest.raises(em.AssemblyError) as caught:
        em.assemble(source)
    found = caught.value.diagnostics[0]
    assert found.severity == "error"
    assert found.line == line
    assert found.source_line[found.span.column - 1 : found.span.end_column - 1] == guilty, str(found)
    said = " ".join([found.message, found.hint, *found.forms])
    assert [word for word in words if word not in said] == [], str(found)


# ---- traps: where a kind reader could silently run something else ----------------------------------------------------

NASM = "section .text\n"
GNU = ".intel_syntax noprefix\n"

MEANINGS = {
    "semicolons separate statements in GNU's syntax": (GNU + "nop; inc eax ;dec ebx\nret", "nop|inc eax|dec ebx|ret"),
    "and what is no statement is a comment there": (GNU + "nop ; what comes next: nothing\nret", "nop|ret"),
    "in NASM's they begin comments": (NASM + "nop ; ret\nret", "nop|ret"),
    "a comment in the line hides nothing": (GNU + "nop /* one */; nop /* two */; ret", "nop|nop|ret"),
    "a macro may stand behind a semicolon": (GNU + ".macro m\ninc eax\n.endm\nnop; m\nret", "nop|inc eax|ret"),
    "rep stays with its instruction": (GNU + "rep; movsb\nret", "rep movsb byte ptr [rdi], byte ptr [rsi]|ret"),
    "a size may stand before a negative number": (NASM + "push qword -1\nret", "push -1|ret"),
    "the number's size is the memory's": (NASM + "mov [rdi], word 5\nret", "mov word ptr [rdi], 5|ret"),
    "NASM's quotes know no escapes": (NASM + "mov eax, '\\n'\nret", "mov eax, 0x6e5c|ret"),
    "its backquotes do": (NASM + "mov eax, `\\n`\nret", "mov eax, 0xa|ret"),
    "a leading zero is nothing to NASM": (NASM + "mov eax, 010\nret", "mov eax, 0xa|ret"),
    "and octal to GNU": (GNU + "mov eax, 010\nret", "mov eax, 8|ret"),
    "a local constant has its label's name": (
        NASM + "a:\n.x equ 4\nb:\n.x equ 5\nmov eax, a.x\nmov ecx, .x\nret",
        "mov eax, 4|mov ecx, 5|ret",
    ),
    "a local label needs no colon in NASM": (NASM + "f: nop\n.g inc eax\njnz .g\nret", "nop|inc eax|jne f.g|ret"),
    "a lonely word is a label where it is named": (NASM + "again\ninc eax\njnz again\nret", "inc eax|jne again|ret"),
    "a backslash continues the line": (NASM + "mov eax, \\\n 5\nret", "mov eax, 5|ret"),
    "an argument changes with rotate": (
        "%macro m 1-*\n%rep %0\npush %1\n%rotate 1\n%endrep\n%endmacro\n" + NASM + "m rax, rbx\nret",
        "push rax|push rbx|ret",
    ),
    "what debuggers want is read past": (
        GNU + 'ret\n.section .debug_info,"",@progbits\n.uleb128 .Lb-.La\n.long .Lnowhere\n.La:\n.Lb:',
        "ret",
    ),
}  # fmt: skip

REFUSED = {
    "a slip behind a semicolon": (GNU + "mov eax, 60; xor edi, edi ) ; syscall", "closes nothing"),
    "a misspelt instruction behind a semicolon": (GNU + "nop; mvo eax, 1\nret", "mvo"),
    "a misspelt instruction alone on its line": (NASM + "mov eax, 60\nsycall\nret", "sycall"),
    "a misspelt instruction behind a label": (NASM + "main: rett\nret", "rett"),
    "a length counted in another section": (
        "section .data\nmsg db 1, 2\nsection .text\nsize equ $ - msg\nmov edx, size\nret",
        "two different sections",
    ),
    "the distance of two sections": (GNU + ".data\na: .byte 1\n.text\nb: mov eax, offset b - a\nret", "sections"),
    "another function's local label": (NASM + "f:\n.end: ret\ng: jmp .end", "f.end"),
    "a constant of an unknown name, used or not": (NASM + "size equ $ - mesage\nret", "mesage"),
    "the complement of an address": ("f: call ~f\nret", "`~`"),
    "an unclosed quote": (NASM + "mov al, 'a\nret", "never closed"),
    "a name that nobody knows": (GNU + "call pritnf\nret", "printf"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "texts"), MEANINGS.values(), ids=MEANINGS)
def test_a_spelling_means_what_its_own_assembler_says(source: str, texts: str) -> None:
    program = em.assemble(source)
    assert "|".join(row.text for row in program.listing if row.kind == "instruction") == texts


@pytest.mark.parametrize(("source", "word"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_meant_is_refused_and_not_guessed(source: str, word: str) -> None:
    with pytest.raises(em.AssemblyError) as caught:
        em.assemble(source)
    assert len(caught.value.diagnostics) == 1
    found = caught.value.diagnostics[0]
    assert word in found.message + found.hint


def test_a_slip_is_told_once_however_often_it_shows() -> None:
    once = {
        "a macro called three times": "%macro m 1\nmvo eax, %1\n%endmacro\n" + NASM + "m 1\nm 2\nm 3\nret",
        "a label without its colon": GNU + "next\ninc eax\njmp next",
        "a text without its end": NASM + 'msg db "abc\nmov rsi, msg\nmov rdi, msg\nret',
        "instructions after data": ".data\nmov eax, 1\nmov ebx, 2\nret",
    }
    for source in once.values():
        with pytest.raises(em.AssemblyError) as caught:
            em.assemble(source)
        assert len(caught.value.diagnostics) == 1, str(caught.value)
