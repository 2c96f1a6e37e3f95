"""The preprocessor itself: the lines of a source, one by one, macros expanded, repetitions made, conditions decided.

Both assemblers rearrange text before a line is read as a statement. A line that begins with a directive is handed to
its function in `_DIRECTIVES`, one that begins with a macro's name is replaced by the macro's body, every other line
comes out, its single-line macros filled in. What comes out knows the source line that asked for it.
"""

from __future__ import annotations

import re

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.preprocessor import (
    conditions,
    defines,
    gnu_macros,
    messages,
    nasm_macros,
    repetition,
)
from execmem_kernel.assembly.preprocessor.arguments import split_arguments, without_comment
from execmem_kernel.assembly.preprocessor.expansion import FIRST_WORD, Expansion, Handler
from execmem_kernel.assembly.preprocessor.model import Frame, GnuMacro, Host, Macro, NasmMacro, error_in
from execmem_kernel.assembly.preprocessor.substitution import with_text
from execmem_kernel.assembly.syntax.directives import DIRECTIVES
from execmem_kernel.assembly.syntax.lines import LENGTH_LIMIT, LINE_LIMIT, Line
from execmem_kernel.x86.mnemonics import is_mnemonic

_DIRECTIVES: dict[str, Handler] = {
    **conditions.DIRECTIVES,
    **repetition.DIRECTIVES,
    **gnu_macros.DIRECTIVES,
    **nasm_macros.DIRECTIVES,
    **defines.DIRECTIVES,
    **messages.DIRECTIVES,
}
"""Word -> what carries the directive out: GNU as' begin with a dot, NASM's with `%`."""
_NEEDED = re.compile(
    r"^[ \t]*(?:%[ \t]*[A-Za-z]+\b|\.(?:macro|rept|irpc?|if[a-z]*|else|endif|endm|endr|altmacro)\b)",
    re.MULTILINE | re.IGNORECASE,
)
"""Whether a source has anything to expand."""
_BARE_CONDITIONS = {
    "if": ".if", "ife": ".ifeq", "ifdef": ".ifdef", "ifndef": ".ifndef", "ifb": ".ifb", "ifnb": ".ifnb",
    "elseif": ".elseif", "else": ".else", "endif": ".endif",
}  # fmt: skip
"""MASM's conditions, and what does the same."""
_RUN_TIME = frozenset(
    (".if", ".else", ".elseif", ".endif", ".while", ".endw", ".repeat", ".until", ".break", ".continue")
)
"""MASM's conditions and loops that are decided while the program runs."""
_BARE_NEEDED = re.compile(
    r"^[ \t]*(?:if|else|endif|\.(?:while|endw|repeat|until|break|continue|else)\b)", re.MULTILINE | re.IGNORECASE
)
_MAGICS = frozenset(
    ("%time", "%timeit", "%matplotlib", "%load_ext", "%reload_ext", "%pip", "%conda", "%cd", "%ls", "%run", "%who",
     "%execmem", "%env", "%pwd", "%capture", "%history", "%config", "%autoreload")
)  # fmt: skip
"""Magics of IPython's that people write before or among assembly."""
_SECOND_WORD = re.compile(r"[ \t]*[A-Za-z_.$@?][\w.$@?]*[ \t]+([A-Za-z_@?][\w.$@?]*)")


class Preprocessor:
    """Hands out the lines of a source one by one, macros expanded."""

    def __init__(self, lines: list[Line], host: Host) -> None:
        self._source = lines
        self._index = 0
        self._expansion = Expansion(lines, host)
        text = "\n".join(line.text for line in lines)
        self._bare = host.bare_directives
        """Whether conditions have no dot."""
        self._plain = (
            not (self._bare and _BARE_NEEDED.search(text))
            and not self._expansion.defines
            and _NEEDED.search(text) is None
        )
        self._made = 0
        """Lines that macros and repetitions have made so far."""
        self._size = 0
        """Characters in them."""
        self._closed = False
        """Whether the condition that is never closed has been reported."""

    @property
    def line(self) -> Line:
        """The line that an error of `next` is about."""
        return self._expansion.line

    def next(self) -> Line | None:
        """The next line, or None at the end.

        Raises:
            SourceError: About `line`; ASM060 and ASM061 mean that nothing more will come.
        """
        expansion = self._expansion
        if self._plain:
            # Most sources have nothing to expand: their lines pass through as they are.
            index = self._index
            if index >= len(self._source):
                return None
            self._index = index + 1
            expansion.line = line = self._source[index]
            return line if line.number <= LINE_LIMIT and len(line.text) <= LENGTH_LIMIT else self._within_limits(line)
        while True:
            frame = expansion.frames[-1]
            if frame.index >= len(frame.lines):
                if not self._next_round(frame):
                    return None
                continue
            line = frame.lines[frame.index]
            frame.index += 1
            expansion.line = line
            self._within_limits(line)
            if frame.kind != "source":
                self._made += 1
                self._size += len(line.text)
                if self._made > LINE_LIMIT or self._size > 40 * LINE_LIMIT:
                    raise expansion.too_many_lines(line)
            made = self._process(line)
            if made is not None:
                return made

    def _within_limits(self, line: Line) -> Line:
        if line.number > LINE_LIMIT:
            self._index = len(self._source)
            self._expansion.stop()
            raise SourceError("ASM060", f"The program has more than {LINE_LIMIT:,} lines.", 0, line.text_end)
        if len(line.text) > LENGTH_LIMIT:
            raise SourceError("ASM064", f"This line is longer than {LENGTH_LIMIT:,} characters.", 0, 1, "split it")
        return line

    def _next_round(self, frame: Frame) -> bool:
        """Begin the next repetition of a frame, or leave it; False at the very end."""
        expansion = self._expansion
        frame.round_number += 1
        if frame.kind != "source" and frame.round_number < frame.rounds:
            frame.lines = frame.make(frame.round_number)
            frame.index = 0
            return True
        if len(expansion.frames) > 1:
            expansion.frames.pop()
            return True
        if expansion.conditions and not self._closed:
            self._closed = True
            expansion.line = expansion.conditions[-1].line
            raise error_in(expansion.line, "ASM065", "This condition is never closed.", "add .endif or %endif")
        return False

    def _process(self, line: Line) -> Line | None:
        """The line to be read as a statement, or None where the preprocessor took it."""
        expansion = self._expansion
        if ";" in line.text:
            texts = expansion.host.pieces(line.text, expansion.macros)
            if len(texts) > 1:
                pieces = [with_text(line, text) for text in texts]
                expansion.push(Frame("pieces", lambda _: pieces), line)
                return None
        if "%[" in line.text and expansion.is_active:
            expansion.line = line = expansion.defines.with_indirections(line)
        found = FIRST_WORD.match(line.text)
        if found is None:
            return line if expansion.is_active else None
        word = found[1].replace(" ", "").replace("\t", "").lower()
        if self._bare and word in _RUN_TIME and expansion.is_active:
            raise SourceError(
                "ASM059",
                f"`{word}` is refused: MASM would write instructions for it.",
                found.start(1),
                found.end(1),
                "compare with `cmp`, then jump to a label with je, jne, jl, jg and the like",
            )
        if self._bare and word in _BARE_CONDITIONS:
            word = _BARE_CONDITIONS[word]
        if word[0] in ".%" and self._carried_out(line, found, word):
            return None
        if not expansion.is_active:
            return None
        if expansion.defines:
            line = expansion.defines.substituted(line)
            found = FIRST_WORD.match(line.text)
            if found is None:
                return line
            expansion.line = line
        return self._expanded(line, found)

    def _carried_out(self, line: Line, found: re.Match[str], word: str) -> bool:
        """Whether the line begins with a directive of the preprocessor; it has been carried out then."""
        handler = _DIRECTIVES.get(word)
        active = self._expansion.is_active
        if handler is not None and word[0] == "." and self._is_label(line, found, word):
            return False
        if handler is not None:
            if active or word in conditions.DIRECTIVES:
                handler(self._expansion, line, word, line.text[found.end() :])
            return True
        if active and word[0] == "%" and word[1:2] not in "%{0123456789" and not _is_att_register(word):
            hint = f"a magic has a cell of its own: `{found[1]}`, without `%%asm`" if word in _MAGICS else ""
            raise SourceError(
                "ASM050", f"There is no directive named `{found[1]}`.", found.start(1), found.end(1), hint
            )
        return False

    def _is_label(self, line: Line, found: re.Match[str], word: str) -> bool:
        """Whether a directive of GNU as is a label of NASM's: nothing stands behind it, and it would end nothing."""
        if not self._expansion.host.dotted_labels:
            return False
        rest = without_comment(line.text[found.end() :]).split()
        if rest and not is_mnemonic(rest[0]):
            return False
        opened = self._expansion.conditions
        return not (opened and opened[-1].dotted and word in (".else", ".endif"))

    def _expanded(self, line: Line, found: re.Match[str]) -> Line | None:
        """The line itself, or the label before a macro that it calls; None where it is a call and nothing else."""
        table = self._expansion.macros
        word = found[1].replace(" ", "").lower()
        macros = table.get(found[1]) or table.get(word)
        if macros is None and table and (behind := _SECOND_WORD.match(line.text)) is not None:
            # NASM lets a label without its colon stand before a macro.
            named = table.get(behind[1])
            if named is not None and isinstance(named[0], NasmMacro) and not _is_known(word):
                macros, found = named, behind
        if macros is None:
            return line
        label = line.text[: found.start(1)].rstrip()
        rest = without_comment(line.text[found.end() :]).strip()
        arguments = split_arguments(rest) if rest else []
        if isinstance(macros[-1], NasmMacro) and self._is_no_call(macros, word, arguments, line, found):
            return line
        self._call(macros, line, found, arguments)
        return with_text(line, label) if label else None

    def _is_no_call(
        self, macros: list[Macro], word: str, arguments: list[str], line: Line, found: re.Match[str]
    ) -> bool:
        """Whether the name of a NASM macro is the instruction of that name: in its own body, or with other operands."""
        taking = nasm_macros.taking([macro for macro in macros if isinstance(macro, NasmMacro)], len(arguments))
        if taking is None:
            return _is_known(word)
        if all(frame.macro is not taking for frame in self._expansion.frames):
            return False
        if not _is_known(word):
            raise SourceError(
                "ASM067",
                f"A macro is not expanded inside itself, and `{found[1]}` is nothing else.",
                found.start(1),
                found.end(1),
                "to repeat something, write `%rep 3` before it and `%endrep` behind it",
            )
        return True

    def _call(self, macros: list[Macro], line: Line, found: re.Match[str], arguments: list[str]) -> None:
        self._expansion.calls += 1
        last = macros[-1]
        if isinstance(last, GnuMacro):
            gnu_macros.call(self._expansion, last, line, found.span(1), arguments)
        else:
            overloads = [macro for macro in macros if isinstance(macro, NasmMacro)]
            nasm_macros.call(self._expansion, overloads, line, found.span(1), arguments)


def _is_known(word: str) -> bool:
    """Whether a word is more than a label."""
    return word in DIRECTIVES or is_mnemonic(word)


def _is_att_register(word: str) -> bool:
    return word[1:] in ("rax", "eax")
