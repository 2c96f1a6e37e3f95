"""What is wrong, or doubtful, in a source text: where, why, and what to write instead."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple


class Span(NamedTuple):
    """A piece of one source line: 1-based line and columns, counted in characters, end exclusive."""

    line: int
    column: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about the source text."""

    severity: Literal["error", "warning"]
    code: str
    """Stable, documented: "ASM012"."""
    message: str
    """One plain sentence."""
    span: Span
    source_line: str
    """The student's own line, as typed."""
    hint: str = ""
    """What to write instead, or what to look at."""
    forms: tuple[str, ...] = ()
    """The forms that the mnemonic does take, where that helps."""
    related: tuple[tuple[Span, str, str], ...] = ()
    """Other places that matter, each with its source line and a caption: where a label stood first."""

    @property
    def line(self) -> int:
        return self.span.line

    @property
    def column(self) -> int:
        return self.span.column

    def __str__(self) -> str:
        """The message as text: what, where, the line, carets under the guilty piece, a hint."""
        places = [self.span.line, *(span.line for span, _, _ in self.related)]
        width = max(len(str(line)) for line in places)
        gutter = " " * width
        text = [
            f"{self.severity}[{self.code}] line {self.span.line}, column {self.span.column}: {self.message}",
            f"{gutter} |",
            *_snippet(self.span, self.source_line, "^", "", width),
        ]
        for span, source_line, caption in self.related:
            if span.column < span.end_column:
                text += [f"{gutter} |", *_snippet(span, source_line, "-", f" {caption}", width)]
            else:
                text.append(f"{gutter} = {caption}: {source_line.strip()}")
        if self.hint:
            text.append(f"{gutter} = hint: {self.hint}")
        for form in self.forms:
            text.append(f"{gutter} = form: {form}")
        return "\n".join(text)

    def _repr_html_(self) -> str:
        """The same text with the guilty piece marked."""
        first, *rest = str(self).split("\n")
        return f"<p><strong>{html.escape(first)}</strong></p><pre>{html.escape(chr(10).join(rest))}</pre>"


def _snippet(span: Span, source_line: str, mark: str, caption: str, width: int) -> list[str]:
    """A source line with its number, and marks under a piece of it."""
    marks = " " * (span.column - 1) + mark * max(1, span.end_column - span.column)
    return [f"{span.line:>{width}} | {source_line.expandtabs(1)}", f"{' ' * width} | {marks}{caption}"]


CODES = MappingProxyType(
    {
        "ASM001": ("An invisible control character stands in the text.", "mov eax, 1\x01"),
        "ASM002": ("A character looks like another one that is meant.", "mov eax, –5"),
        "ASM003": ("A line begins with something that is neither a label, an instruction nor a directive.", "5"),
        "ASM004": ("A character that is not ASCII stands outside of comments and quotes.", "größe: ret"),
        "ASM006": ("A quote or a comment is never closed.", '.ascii "hello'),
        "ASM007": (
            "A backslash is followed by something that is no escape sequence.",
            "section .data\ndb `\\z`\nsection .text\nret",
        ),
        "ASM008": ("A text is too long, or too short, to be a number.", "mov rax, 'much too long'"),
        "ASM009": ("A number is not written as any number is.", "mov eax, 12abc"),
        "ASM010": ("Something is missing.", "mov eax,"),
        "ASM011": ("Something stands where it cannot stand.", "mov eax ebx"),
        "ASM012": ("A name is used like a function.", "mov eax, size(x)"),
        "ASM013": ("A bracket or a parenthesis has no partner.", "mov eax, [rax"),
        "ASM014": ("Square brackets stand where they cannot stand.", "mov eax, [rax+[rbx]]"),
        "ASM015": ("Assemblers disagree about which operator comes first.", "mov eax, 2 + 4 & 1"),
        "ASM016": ("An expression is nested too deep.", "mov eax, " + "(" * 200),
        "ASM017": ("A number is larger than any register.", "mov eax, 1" + "0" * 70),
        "ASM018": ("A number with a fraction stands where only whole numbers can.", "mov eax, 1.5"),
        "ASM019": ("A division by zero, or one whose sign is unclear.", "mov eax, 1/0"),
        "ASM020": ("AT&T syntax stands in a source in Intel syntax.", "movq $5, %rax"),
        "ASM021": ("rsp cannot be an index.", "lea rax, [rsp*2]"),
        "ASM022": ("A register stands where only a constant or an address can.", "mov rax, rbx+5"),
        "ASM023": ("The CPU cannot work out this address.", "lea rax, [rax-rbx]"),
        "ASM024": ("An address has too many registers.", "lea rax, [rax+rbx+rcx]"),
        "ASM025": ("A decoration in braces does not belong where it stands.", "vaddps zmm0{k9}, zmm1, zmm2"),
        "ASM026": ("An operand has two sizes.", "mov byte word ptr [rax], 1"),
        "ASM027": ("A size with ptr needs an address in brackets.", "mov rax, qword ptr rbx"),
        "ASM028": ("A far jump to an address does not exist in 64-bit mode.", "jmp far 0x1000"),
        "ASM029": ("A register is multiplied by something else than 1, 2, 4 or 8.", "lea rax, [rbx*7]"),
        "ASM030": ("This cannot be a label.", "2x: ret"),
        "ASM031": ("A label or a constant has the name of a register.", "rax: ret"),
        "ASM032": ("A prefix stands without an instruction.", "lock"),
        "ASM033": ("A label lacks its colon.", "start mov eax, 1"),
        "ASM034": ("Addresses are combined in a way that has no meaning.", "a: mov rax, offset a*2\nret"),
        "ASM035": ("A bare label could be its address or what is stored there.", "mov rax, x\nret\nx: .quad 1"),
        "ASM036": ("A number must be known here already, and is not.", ".align x\nx: ret"),
        "ASM037": ("A size depends on itself and never settles.", "a: .zero b-a+1\nb: ret"),
        "ASM038": ("Text behind // is a divisor to one assembler and a comment to another.", "mov eax, 10 // 3\nret"),
        "ASM040": ("A name is used that nothing defines.", "jmp nowhere"),
        "ASM041": ("A name is defined twice.", "a: nop\na: ret"),
        "ASM042": ("A constant is defined by way of itself.", ".set a, b\n.set b, a\nmov eax, a"),
        "ASM043": ("There is no such numeric label in this direction.", "jmp 1f"),
        "ASM044": ("There is no such register (AT&T).", ".att_syntax\nmov %rxx, %rax"),
        "ASM045": ("A relocation asks for a table that only a linker makes.", "mov rax, x@GOTTPOFF[rip]"),
        "ASM046": ("A register lacks its % (AT&T).", ".att_syntax\nmov rax, %rbx"),
        "ASM047": ("The size letter and a register disagree (AT&T).", ".att_syntax\nmovl %rax, %ebx"),
        "ASM048": ("The size letter asks for a stack of another width.", "retw"),
        "ASM050": ("There is no such directive.", ".bytes 5"),
        "ASM051": ("A directive lacks what it needs, or has something else.", ".string hello"),
        "ASM052": ("A directive closes something that was never opened.", ".endif"),
        "ASM053": ("A value does not fit into its place.", ".byte 256"),
        "ASM054": ("Instructions stand in memory that is not executable.", ".data\nmov eax, 1"),
        "ASM055": ("Data stand in .bss, which holds only zeros.", ".bss\n.byte 5"),
        "ASM056": ("A count or a size makes no sense.", ".skip -1"),
        "ASM057": ("An alignment is no power of two, or too large.", ".align 3"),
        "ASM058": ("The place of the code cannot be set.", "org 0x7c00"),
        "ASM059": ("The directive is refused, with the reason.", '.include "secret.s"'),
        "ASM060": ("The program, or what it expands to, has too many lines.", ".rept 1000000000\nnop\n.endr"),
        "ASM061": ("Macros are nested too deep.", ".macro a\na\n.endm\na"),
        "ASM062": ("The program would be larger than 1 MiB.", ".space 100000000"),
        "ASM063": ("The source itself asks to stop.", '.error "not yet"'),
        "ASM064": ("A line is too long.", "nop ;" + "x" * 10_001),
        "ASM065": ("A macro, a repetition or a condition is never closed.", ".rept 2\nnop"),
        "ASM066": ("A macro is called with the wrong number of arguments.", "%macro two 2\n%endmacro\ntwo 1"),
        "ASM080": ("The program runs past its end.", "mov eax, 1"),
        "ASM081": ("Nothing ever gets to an instruction.", "ret\nmov eax, 1\nret"),
        "ASM082": ("An unused label has the name of an instruction.", "mov eax, 1\nret:"),
        "ASM083": ("Nothing uses a label.", "nop\nhere: ret"),
        "ASM084": ("An instruction stands in a comment.", "mov eax, 1 ; mov ebx, 2\nret"),
        "ASM085": ("A number means one thing to GNU as and another to NASM.", "mov eax, 010\nret"),
        "ASM086": ("The source itself asks to warn.", '.warning "slow"\nret'),
        "ASM087": ("A backslash in plain quotes is a plain backslash to NASM.", 'mov eax, 5\nret\nx db "hi\\n"'),
        "ASM088": ("A backslash stands before a letter that it does not change.", '.ascii "\\e[0m"'),
        "ASM089": ("The name of a section ends with a colon.", "section .data:\ndb 1\nsection .text\nret"),
        "ASM090": ("A number without $ is an address (AT&T).", ".att_syntax\nmov 5, %rax\nret"),
        "ASM091": ("A place is given by a count of bytes (NASM).", "section .text\njmp $ + 4\ndb 'hi'\nret"),
        "ASM092": ("The program runs into data.", "mov eax, [x]\nx: .long 5\nret"),
        "ASM093": ("Something stands behind the end of the source.", "ret\nend\nmov eax, 1"),
    }
)
"""Code of the reader -> what it means, and a source that triggers it. The encoder's are in refusals.py."""


def documented_codes() -> Mapping[str, tuple[str, str]]:
    """Every code there is -> what it means, and a source that triggers it."""
    from execmem_kernel.assembly.refusals import CODES as OF_THE_ENCODER

    return MappingProxyType({**CODES, **OF_THE_ENCODER})
