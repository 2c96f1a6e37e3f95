"""Macros, repetition and conditions: lines in, lines out, under caps.

NASM: %define %xdefine %undef %assign %macro %rep %if...; GNU: .macro .rept .irp .irpc .if... Both rearrange text
before a line is read as a statement. Every line that comes out knows the source line that asked for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from execmem_kernel.assembly.directives import DIRECTIVES
from execmem_kernel.assembly.expressions import Complaint, Dialect, Expression, Parser, tokenize
from execmem_kernel.assembly.forms import is_mnemonic
from execmem_kernel.assembly.lines import LENGTH_LIMIT, LINE_LIMIT, QUOTED, Cut, Filled, Line, Trace

_DEPTH_LIMIT = 100
_CONDITION_LIMIT = 1000

_PREDEFINED = {
    "__OUTPUT_FORMAT__": "elf64", "__?OUTPUT_FORMAT?__": "elf64", "__BITS__": "64", "__?BITS?__": "64",
}  # fmt: skip
"""What NASM would have defined."""
_NEEDED = re.compile(
    r"^[ \t]*(?:%[ \t]*[A-Za-z]+\b|\.(?:macro|rept|irpc?|if[a-z]*|else|endif|endm|endr|altmacro)\b)",
    re.MULTILINE | re.IGNORECASE,
)
_FIRST_WORD = re.compile(r"[ \t]*(?:[\w.$@?]+:[ \t]*)?([%.]?[ \t]*[\w.$@?]+)")
_SECOND_WORD = re.compile(r"[ \t]*[A-Za-z_.$@?][\w.$@?]*[ \t]+([A-Za-z_@?][\w.$@?]*)")
_INDIRECTION = re.compile(r"%\[([^\[\]]*)\]")
_WORD_OR_QUOTED = re.compile(QUOTED + r"|[;#].*|//.*|(?<![\w.$@?%\\])[A-Za-z_.?@][\w.$@?]*+")


class Host(Protocol):
    """What macros need to know of the program read so far."""

    def known_value(self, value: Expression, line: Line) -> int: ...

    def is_defined(self, name: str) -> bool: ...

    def pieces(self, text: str, macros: Iterable[str]) -> tuple[str, ...]: ...

    def note_warning(self, line: Line, text: str) -> None: ...


@dataclass(slots=True)
class _Macro:
    """A multi-line macro: its body, and how arguments become text."""

    name: str
    body: list[Line]
    gnu: bool
    parameters: list[tuple[str, str | None, str]] = field(default_factory=list)
    """GNU: name, default, "req", "vararg" or ""."""
    least: int = 0
    most: int = 0
    greedy: bool = False
    """NASM: whether the last argument swallows the rest of the line."""
    defaults: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Define:
    """A single-line macro of NASM."""

    parameters: list[str] | None
    text: str
    line: Line
    """Where it is defined."""
    any_case: bool = False


@dataclass(slots=True)
class _Frame:
    """Lines being handed out: the source, the body of a macro, or a body repeated."""

    kind: str
    make: Callable[[int], list[Line]]
    rounds: int = 1
    round_number: int = 0
    lines: list[Line] = field(default_factory=list)
    index: int = 0
    conditions: int = 0
    """How many conditions were open when it began."""
    arguments: list[str] = field(default_factory=list)
    most: int = 0
    """How many arguments a NASM macro may have."""
    number: int = 0


@dataclass(slots=True)
class _Condition:
    active: bool
    taken: bool
    outer: bool
    line: Line


class LineReader:
    """Hands out the lines of a source one by one, macros expanded."""

    def __init__(self, lines: list[Line], host: Host) -> None:
        self._source = lines
        self._index = 0
        text = "\n".join(line.text for line in lines)
        self._defines: dict[str, _Define] = {
            name: _Define(None, value, lines[0]) for name, value in _PREDEFINED.items() if name in text
        }
        self._plain = not self._defines and _NEEDED.search(text) is None
        self._host = host
        self.line: Line = self._source[0]
        self._frames = [_Frame("source", lambda _: self._source, lines=self._source)]
        self._conditions: list[_Condition] = []
        self._macros: dict[str, list[_Macro]] = {}
        self._made = 0
        self._size = 0
        self._calls = 0
        self._closed = False

    def next(self) -> Line | None:
        """The next line, or None at the end.

        Raises:
            Complaint: About `line`; ASM060 and ASM061 mean that nothing more will come.
        """
        if self._plain:
            index = self._index
            if index >= len(self._source):
                return None
            self._index = index + 1
            self.line = line = self._source[index]
            return line if line.number <= LINE_LIMIT and len(line.text) <= LENGTH_LIMIT else self._within_limits(line)
        while True:
            frame = self._frames[-1]
            if frame.index >= len(frame.lines):
                if not self._next_round(frame):
                    return None
                continue
            line = frame.lines[frame.index]
            frame.index += 1
            self.line = line
            self._within_limits(line)
            if frame.kind != "source":
                self._made += 1
                self._size += len(line.text)
                if self._made > LINE_LIMIT or self._size > 40 * LINE_LIMIT:
                    self._frames = [_Frame("source", lambda _: [])]
                    raise Complaint(
                        "ASM060",
                        f"This expands to more than {LINE_LIMIT:,} lines.",
                        0,
                        len(line.text.rstrip()),
                        "repeat less, or write a loop that runs",
                    )
            made = self._process(line, frame)
            if made is not None:
                return made

    def _within_limits(self, line: Line) -> Line:
        if line.number > LINE_LIMIT:
            self._index = len(self._source)
            self._frames = [_Frame("source", lambda _: [])]
            raise Complaint("ASM060", f"The program has more than {LINE_LIMIT:,} lines.", 0, line.text_end)
        if len(line.text) > LENGTH_LIMIT:
            raise Complaint("ASM064", f"This line is longer than {LENGTH_LIMIT:,} characters.", 0, 1, "split it")
        return line

    def _next_round(self, frame: _Frame) -> bool:
        """Begin the next repetition of a frame, or leave it; False at the very end."""
        frame.round_number += 1
        if frame.kind != "source" and frame.round_number < frame.rounds:
            frame.lines = frame.make(frame.round_number)
            frame.index = 0
            return True
        if len(self._frames) == 1:
            if self._conditions and not self._closed:
                self._closed = True
                condition = self._conditions[-1]
                self.line = condition.line
                raise Complaint(
                    "ASM065",
                    "This condition is never closed.",
                    0,
                    len(condition.line.text.rstrip()),
                    "add .endif or %endif",
                )
            return False
        self._frames.pop()
        return True

    # ---- one line ----------------------------------------------------------------------------------------------------

    def _process(self, line: Line, frame: _Frame) -> Line | None:
        """The line to be read as a statement, or None where the line was for us."""
        if ";" in line.text:
            texts = self._host.pieces(line.text, self._macros)
            if len(texts) > 1:
                pieces = [_with_text(line, text) for text in texts]
                self._push(_Frame("pieces", lambda _: pieces), line)
                return None
        if "%[" in line.text and self._active():
            self.line = line = self._with_indirections(line)
        found = _FIRST_WORD.match(line.text)
        if found is None:
            return line if self._active() else None
        word = found[1].replace(" ", "").replace("\t", "").lower()
        rest = line.text[found.end() :]
        if word[0] == "%" or (word.startswith(".") and word in _GNU_ACTIONS):
            action = _NASM_ACTIONS.get(word) if word[0] == "%" else _GNU_ACTIONS[word]
            if action is not None:
                if self._active() or action in _CONDITIONAL:
                    getattr(self, f"_do_{action}")(line, word, rest)
                return None
            if self._active() and word[0] == "%" and word[1:2] not in "%{0123456789" and not _is_att(word):
                raise Complaint("ASM050", f"There is no directive named `{found[1]}`.", found.start(1), found.end(1))
        if not self._active():
            return None
        if self._defines:
            line = self._substituted(line)
            found = _FIRST_WORD.match(line.text)
            if found is None:
                return line
            word = found[1].replace(" ", "").lower()
            rest = line.text[found.end() :]
            self.line = line
        macros = self._macros.get(found[1]) or self._macros.get(word)
        if macros is None and self._macros and (behind := _SECOND_WORD.match(line.text)) is not None:
            # NASM lets a label without its colon stand before a macro.
            named = self._macros.get(behind[1])
            if named is not None and not named[0].gnu and word not in DIRECTIVES and not is_mnemonic(word):
                macros, found, rest = named, behind, line.text[behind.end() :]
        if macros is not None:
            label = line.text[: found.start(1)].rstrip()
            self._call(macros, line, rest, found)
            return _with_text(line, label) if label else None
        return line

    def _with_indirections(self, line: Line) -> Line:
        """`%[name]` filled in at once, wherever it stands."""
        text = _INDIRECTION.sub(lambda found: self._define_text(found[1]), line.text)
        begin = len(text) - len(text.lstrip())
        cut = Cut(len(line.text) - len(line.text.lstrip()), len(line.text.rstrip()), begin, len(text))
        return Line(line.number, line.source, text, line.expansion, True, Filled(text, line, [cut]))

    def _active(self) -> bool:
        return not self._conditions or self._conditions[-1].active

    # ---- conditions --------------------------------------------------------------------------------------------------

    def _do_if(self, line: Line, word: str, rest: str) -> None:
        if len(self._conditions) >= _CONDITION_LIMIT:
            self._frames = [_Frame("source", lambda _: [])]
            self._conditions.clear()
            raise Complaint(
                "ASM061",
                f"Conditions are nested more than {_CONDITION_LIMIT:,} deep here.",
                0,
                len(line.text.rstrip()),
                "is one of them never closed?",
            )
        outer = self._active()
        try:
            truth = outer and self._judge(line, word, rest)
        except Complaint:
            self._conditions.append(_Condition(False, True, outer, line))
            raise
        self._conditions.append(_Condition(truth, truth, outer, line))

    def _do_elif(self, line: Line, word: str, rest: str) -> None:
        condition = self._innermost(line, word)
        condition.active = False
        if condition.outer and not condition.taken:
            test = "%if" + word[5:] if word.startswith("%elif") else ".if" + word[7:]
            condition.active = condition.taken = self._judge(line, test, rest)

    def _do_else(self, line: Line, word: str, rest: str) -> None:
        condition = self._innermost(line, word)
        condition.active = condition.outer and not condition.taken
        condition.taken = True

    def _do_endif(self, line: Line, word: str, rest: str) -> None:
        self._innermost(line, word)
        self._conditions.pop()

    def _innermost(self, line: Line, word: str) -> _Condition:
        if not self._conditions:
            raise Complaint("ASM052", f"`{word}` has no condition before it.", 0, len(line.text.rstrip()))
        return self._conditions[-1]

    def _judge(self, line: Line, word: str, rest: str) -> bool:
        bare = _without_comment(rest).strip()
        kind = word[1:]
        negative = kind.startswith("ifn") and kind not in ("ifnum", "ifne")
        kind = "if" + kind[3:].removeprefix("ot") if negative else kind
        if kind in ("ifdef", "ifmacro"):
            known = bare in self._defines or bare in self._macros
            truth = known or (kind == "ifdef" and self._host.is_defined(bare))
        elif kind == "ifb":
            truth = not bare
        elif kind in ("ifc", "ifidn", "ifidni", "ifeqs"):
            text = self._define_text(bare) if word[0] == "%" else bare
            parts = [part.strip().strip("'\"") for part in _split_arguments(text, line)]
            if len(parts) != 2:
                raise Complaint("ASM051", f"`{word}` compares two texts.", 0, len(line.text.rstrip()))
            truth = parts[0].lower() == parts[1].lower() if kind == "ifidni" else parts[0] == parts[1]
        elif kind == "ifnum":
            truth = re.fullmatch(r"-?(?:0x)?[0-9][0-9a-fA-F_]*h?", self._define_text(bare)) is not None
        elif kind == "ifid":
            truth = re.fullmatch(r"[A-Za-z_.?@$][\w.$?@#~]*", self._define_text(bare)) is not None
        elif kind == "ifempty":
            truth = not self._define_text(bare).strip()
        elif kind == "ifstr":
            truth = bare[:1] in "\"'`" and bare != ""
        elif kind in ("ifeq", "ifne", "iflt", "ifle", "ifgt", "ifge", "if"):
            value = self._value(line, word, bare)
            truth = {
                "ifeq": value == 0, "ifne": value != 0, "iflt": value < 0, "ifle": value <= 0, "ifgt": value > 0,
                "ifge": value >= 0, "if": value != 0,
            }[kind]  # fmt: skip
        else:
            raise Complaint("ASM050", f"There is no condition named `{word}`.", 0, len(line.text.rstrip()))
        return truth != negative

    def _value(self, line: Line, word: str, text: str) -> int:
        """A number that must be known now, by the rules of the assembler whose directive asks."""
        if self._defines:
            text = self._define_text(text)
        if text.isdecimal() and text.isascii() and (text[0] != "0" or len(text) == 1) and len(text) < 19:
            return int(text)
        start, end = 0, len(line.text.rstrip())
        if not text:
            raise Complaint("ASM010", "A number is missing here.", start, end)
        try:
            return self._host.known_value(_expression(text, "nasm" if word[0] == "%" else "gnu"), line)
        except Complaint as complaint:
            raise Complaint(complaint.code, complaint.message, start, end, complaint.hint) from None

    # ---- repetition --------------------------------------------------------------------------------------------------

    def _body(self, line: Line, openings: frozenset[str], closings: frozenset[str], *, raw: bool = False) -> list[Line]:
        """The lines up to the matching end, which must come in the same frame.

        With `raw` as they were written: what is `%1` in a macro that another one defines is its own argument.
        """
        frame = self._frames[-1]
        body: list[Line] = []
        depth = 1
        while frame.index < len(frame.lines):
            inner = frame.lines[frame.index]
            if raw:
                inner = inner.written()
            frame.index += 1
            found = _FIRST_WORD.match(inner.text)
            word = found[1].replace(" ", "").replace("\t", "").lower() if found is not None else ""
            if word in openings:
                depth += 1
                if depth > _DEPTH_LIMIT and not raw:
                    raise self._too_deep(line)  # found at once: every repetition would look through all inside it
            elif word in closings:
                depth -= 1
                if depth == 0:
                    return body
            body.append(inner)
        self.line = line
        raise Complaint(
            "ASM065",
            "This is never closed.",
            0,
            len(line.text.rstrip()),
            f"add {' or '.join(f'`{name}`' for name in sorted(closings))}",
        )

    def _too_deep(self, line: Line) -> Complaint:
        self._frames = [_Frame("source", lambda _: [])]
        return Complaint(
            "ASM061",
            f"Macros are nested more than {_DEPTH_LIMIT} deep here.",
            0,
            len(line.text.rstrip()),
            "does a macro call itself without end?",
        )

    def _push(self, frame: _Frame, line: Line) -> None:
        if len(self._frames) > _DEPTH_LIMIT:
            raise self._too_deep(line)
        frame.conditions = len(self._conditions)
        if frame.rounds:
            frame.lines = frame.make(0)
            self._frames.append(frame)

    def _do_rept(self, line: Line, word: str, rest: str) -> None:
        body = self._body(line, _REPEATS, frozenset((".endr",)) if word[0] == "." else frozenset(("%endrep",)))
        count = self._value(line, word, _without_comment(rest).replace(".nolist", "").strip())
        if count < 0:
            raise Complaint("ASM056", f"A count cannot be negative; this is {count}.", 0, len(line.text.rstrip()))
        if count * max(1, len(body)) > LINE_LIMIT:
            self._frames = [_Frame("source", lambda _: [])]
            raise Complaint(
                "ASM060",
                f"This expands to more than {LINE_LIMIT:,} lines.",
                0,
                len(line.text.rstrip()),
                "repeat less, or write a loop that runs",
            )
        self._push(_Frame("repeat", lambda _: [inner.again() for inner in body], count), line)

    def _do_exitrep(self, line: Line, word: str, rest: str) -> None:
        self._leave("repeat", f"`{word}` stands outside of a repetition.", line)

    def _leave(self, kind: str, outside: str, line: Line) -> None:
        """End the innermost frame of a kind, and everything begun inside it; `outside` says that there is none."""
        while len(self._frames) > 1:
            frame = self._frames.pop()
            del self._conditions[frame.conditions :]
            if frame.kind == kind:
                return
        raise Complaint("ASM052", outside, 0, len(line.text.rstrip()))

    def _do_irp(self, line: Line, word: str, rest: str) -> None:
        body = self._body(line, _REPEATS, frozenset((".endr",)))
        name, _, values_text = _without_comment(rest).strip().partition(",")
        name = name.strip()
        if " " in name and not values_text:
            name, _, values_text = name.partition(" ")
        if not re.fullmatch(r"[A-Za-z_.$][\w.$]*", name):
            raise Complaint(
                "ASM051",
                f"`{word}` needs a name and values.",
                0,
                len(line.text.rstrip()),
                f"for example: {word} reg, rax, rbx",
            )
        values_text = values_text.strip()
        values = list(values_text) if word == ".irpc" else _split_arguments(values_text, line) or [""]

        calls = self._calls

        def make(index: int) -> list[Line]:
            fill = _gnu_filler({name: _unquoted(values[index])}, calls)
            return [_replaced(inner, fill, line) for inner in body]

        self._push(_Frame("repeat", make, len(values)), line)

    # ---- macros ------------------------------------------------------------------------------------------------------

    def _do_gnu_macro(self, line: Line, word: str, rest: str) -> None:
        body = self._body(line, frozenset((".macro",)), frozenset((".endm", ".endmacro")))
        found = re.match(r"\s*([A-Za-z_.$][\w.$]*)\s*,?\s*(.*)", _without_comment(rest).strip())
        if found is None:
            raise Complaint(
                "ASM051",
                "`.macro` needs a name.",
                0,
                len(line.text.rstrip()),
                "for example: .macro push2 first, second",
            )
        macro = _Macro(found[1], body, gnu=True)
        pattern = r"([A-Za-z_.$][\w.$]*)\s*(?::\s*(req|vararg))?\s*(?:=\s*(\"[^\"]*\"|[^,\s]+))?\s*,?\s*"
        position, text = 0, found[2]
        while position < len(text):
            parameter = re.compile(pattern).match(text, position)
            if parameter is None or parameter.end() == position:
                raise Complaint(
                    "ASM051",
                    "The parameters of this macro cannot be read.",
                    0,
                    len(line.text.rstrip()),
                    "names, separated by commas",
                )
            default = parameter[3]
            macro.parameters.append((parameter[1], None if default is None else _unquoted(default), parameter[2] or ""))
            position = parameter.end()
        self._macros[macro.name.lower()] = [macro]

    def _do_nasm_macro(self, line: Line, word: str, rest: str) -> None:
        body = self._body(
            line, frozenset(("%macro", "%imacro", "%rmacro")), frozenset(("%endmacro", "%endm")), raw=True
        )
        found = re.match(r"\s*([\w.$@?]+)(?:\s+(\d+)(?:-(\d+|\*))?(\+?))?\s*(.*)", _without_comment(rest))
        if found is None:
            raise Complaint(
                "ASM051",
                "`%macro` needs a name and a count.",
                0,
                len(line.text.rstrip()),
                "for example: %macro push2 2",
            )
        if found[2] is None and found[5].replace(".nolist", "").strip():
            raise Complaint(
                "ASM051",
                "`%macro` counts its arguments and does not name them.",
                0,
                len(line.text.rstrip()),
                f"for example: %macro {found[1]} 2, and in its body %1 and %2",
            )
        least = int(found[2] or 0)
        most = 1000 if found[3] == "*" else int(found[3] or least)
        text = found[5].replace(".nolist", "").strip()
        macro = _Macro(
            found[1], body, False, [], least, most, found[4] == "+", _split_arguments(text, line) if text else []
        )
        same = self._macros.setdefault(macro.name.lower() if word == "%imacro" else macro.name, [])
        same[:] = [other for other in same if (other.least, other.most) != (least, most)]
        same.append(macro)

    def _do_forget(self, line: Line, word: str, rest: str) -> None:
        name = _without_comment(rest).split()
        for key in name[:1]:
            self._macros.pop(key, None)
            self._macros.pop(key.lower(), None)

    def _do_exitm(self, line: Line, word: str, rest: str) -> None:
        self._leave("macro", f"`{word}` stands outside of a macro.", line)

    def _do_rotate(self, line: Line, word: str, rest: str) -> None:
        for frame in reversed(self._frames):
            if frame.kind == "macro" and frame.arguments:
                count = self._value(line, word, _without_comment(rest).strip()) % len(frame.arguments)
                frame.arguments[:] = frame.arguments[count:] + frame.arguments[:count]
                return
        raise Complaint("ASM052", f"`{word}` stands outside of a macro with arguments.", 0, len(line.text.rstrip()))

    def _do_stray(self, line: Line, word: str, rest: str) -> None:
        raise Complaint("ASM052", f"`{word}` does not belong to anything before it.", 0, len(line.text.rstrip()))

    def _do_nothing(self, line: Line, word: str, rest: str) -> None:
        """`.altmacro` and the like change nothing that we do."""

    def _call(self, macros: list[_Macro], line: Line, rest: str, found: re.Match[str]) -> None:
        rest = _without_comment(rest).strip()
        self._calls += 1
        number = self._calls
        macro = macros[-1]
        start, end = found.start(1), len(line.text.rstrip())
        arguments = _split_arguments(rest, line) if rest else []
        if macro.gnu:
            if len(arguments) == 1 and len(macro.parameters) > 1 and macro.parameters[0][2] != "vararg":
                spaced = _split_blanks(arguments[0])
                if 1 < len(spaced) <= len(macro.parameters) and not re.search(r"[-+*/()\[\]]", arguments[0]):
                    arguments = spaced
            fill = _gnu_filler(self._gnu_arguments(macro, arguments, start, end), number)
            name = found.span(1)

            def make(_: int) -> list[Line]:
                return [_called(line, name, inner, fill) for inner in macro.body]

            self._push(_Frame("macro", make), line)
            return
        fitting = [macro for macro in macros if macro.least <= len(arguments) <= macro.most]
        if not fitting:
            greedy = [macro for macro in macros if macro.greedy and len(arguments) >= macro.least]
            if not greedy:
                wanted = " or ".join(
                    str(macro.least) if macro.least == macro.most else f"{macro.least} to {macro.most}"
                    for macro in macros
                )
                raise Complaint(
                    "ASM066",
                    f"The macro `{macro.name}` takes {wanted} argument{'s' * (wanted != '1')}, not {len(arguments)}.",
                    start,
                    end,
                )
            macro = greedy[0]
            kept = macro.most
            arguments = [*arguments[: kept - 1], ", ".join(arguments[kept - 1 :])] if kept else []
        else:
            macro = fitting[0]
        given = len(arguments)
        arguments += macro.defaults[max(0, given - macro.least) :][: macro.most - given]
        frame = _Frame(
            "macro",
            lambda _: [],
            arguments=[_braces_off(argument) for argument in arguments],
            most=macro.most,
            number=number,
        )
        chosen = macro
        # %rotate changes the arguments on the way, so a line is filled in when its turn comes.
        frame.make = lambda _: [_Pending(line, found.span(1), inner, frame, number) for inner in chosen.body]
        self._push(frame, line)

    def _gnu_arguments(self, macro: _Macro, arguments: list[str], start: int, end: int) -> dict[str, str]:
        table = {name: default or "" for name, default, _ in macro.parameters}
        names = list(table)
        position = 0
        for index, argument in enumerate(arguments):
            keyword = re.match(r"([A-Za-z_.$][\w.$]*)\s*=(?!=)\s*(.*)", argument)
            if keyword is not None and keyword[1] in table:
                table[keyword[1]] = _unquoted(keyword[2])
                continue
            if position >= len(names):
                raise Complaint(
                    "ASM066",
                    _miscounted(macro.name, len(names), len(arguments)),
                    start,
                    end,
                )
            if macro.parameters[position][2] == "vararg":
                table[names[position]] = ", ".join(arguments[index:])
                position = len(names)
                break
            if argument:
                table[names[position]] = _unquoted(argument)
            position += 1
        for name, _, kind in macro.parameters:
            if kind == "req" and not table[name]:
                raise Complaint("ASM066", f"The macro `{macro.name}` needs a value for `{name}`.", start, end)
        return table

    # ---- single-line macros ------------------------------------------------------------------------------------------

    def _do_define(self, line: Line, word: str, rest: str) -> None:
        found = re.match(
            r"\s*([A-Za-z_.$?@][\w.$?@]*)(\(([^)]*)\))?(?:\s+(.*)|\s*)$", _without_comment(rest).rstrip(), re.DOTALL
        )
        if found is None:
            raise Complaint(
                "ASM051", f"`{word}` needs a name.", 0, len(line.text.rstrip()), "for example: %define SIZE 8"
            )
        text = (found[4] or "").strip()
        if word in ("%xdefine", "%ixdefine"):
            text = self._define_text(text)
        parameters = [name.strip() for name in found[3].split(",") if name.strip()] if found[2] else None
        any_case = word.startswith("%i")
        self._defines[found[1].lower() if any_case else found[1]] = _Define(parameters, text, line, any_case)

    def _do_undef(self, line: Line, word: str, rest: str) -> None:
        self._defines.pop(_without_comment(rest).strip(), None)

    def _do_assign(self, line: Line, word: str, rest: str) -> None:
        found = re.match(r"\s*([A-Za-z_.$?@][\w.$?@]*)\s+(.*)$", _without_comment(rest).rstrip())
        if found is None:
            raise Complaint(
                "ASM051",
                f"`{word}` needs a name and a number.",
                0,
                len(line.text.rstrip()),
                "for example: %assign count 3",
            )
        value = self._value(line, word, found[2])
        self._defines[found[1]] = _Define(None, str(value) if value >= 0 else f"({value})", line)

    def _do_strlen(self, line: Line, word: str, rest: str) -> None:
        found = re.match(r"\s*([A-Za-z_.$?@][\w.$?@]*)\s+(.*)$", _without_comment(rest).rstrip())
        text = self._define_text(found[2].strip()) if found is not None else ""
        if found is None or len(text) < 2 or text[0] not in "\"'`" or text[-1] != text[0]:
            raise Complaint("ASM051", f"`{word}` needs a name and a text in quotes.", 0, len(line.text.rstrip()))
        self._defines[found[1]] = _Define(None, str(len(text[1:-1].encode())), line)

    def _do_message(self, line: Line, word: str, rest: str) -> None:
        text = rest.strip().strip("\"'")
        if word in ("%error", "%fatal"):
            raise Complaint("ASM063", f"The source says: {text}", 0, len(line.text.rstrip()))
        self._host.note_warning(line, text)

    def _do_unsupported(self, line: Line, word: str, rest: str) -> None:
        raise Complaint(
            "ASM059",
            f"`{word}` is refused: this part of NASM's preprocessor is not here.",
            0,
            len(line.text.rstrip()),
            "%define, %assign, %macro, %rep and %if are; `%%name` is a label of each call's own",
        )

    def _do_refuse(self, line: Line, word: str, rest: str) -> None:
        raise Complaint(
            "ASM059",
            f"`{word}` is refused.",
            0,
            len(line.text.rstrip()),
            "A cell reads no files: paste what is needed into the cell.",
        )

    def _substituted(self, line: Line) -> Line:
        cuts: list[Cut] = []
        filled = self._filled(line.text, frozenset(), 0, cuts)
        text = _PASTED.sub("", filled)
        if text == line.text:
            return line
        if text != filled:
            begin = len(text) - len(text.lstrip())
            cuts = [Cut(begin, len(line.text.rstrip()), begin, len(text))]
        origin = Filled(text, line, cuts)
        return Line(line.number, line.source, text, line.expansion or ((line.number, text),), True, origin)

    def _define_text(self, text: str) -> str:
        """The text with single-line macros filled in; a macro is not filled in again inside itself."""
        return _PASTED.sub("", self._filled(text, frozenset(), 0))

    def _filled(self, text: str, hidden: frozenset[str], depth: int, cuts: list[Cut] | None = None) -> str:
        parts: list[str] = []
        position = 0
        size = 0
        defines = self._defines
        for found in _WORD_OR_QUOTED.finditer(text):
            if found.start() < position:
                continue
            word = found[0]
            key = word if word in defines else word.lower()
            define = defines.get(key)
            if define is None or key in hidden or (key != word and not define.any_case):
                continue
            end = found.end()
            body = define.text
            if define.parameters is not None:
                arguments, end = _call_arguments(text, end)
                if arguments is None:
                    continue
                if len(arguments) != len(define.parameters):
                    raise Complaint(
                        "ASM066",
                        _miscounted(word, len(define.parameters), len(arguments)),
                        0,
                        len(self.line.text.rstrip()),
                    )
                table = dict(zip(define.parameters, arguments, strict=True))
                body = re.sub(r"[A-Za-z_.$?@][\w.$?@]*", lambda name, table=table: table.get(name[0], name[0]), body)  # type: ignore[misc]
            if depth > _DEPTH_LIMIT:
                raise Complaint(
                    "ASM061", f"Macros are nested more than {_DEPTH_LIMIT} deep here.", 0, len(self.line.text.rstrip())
                )
            body = self._filled(body, hidden | {key}, depth + 1)
            parts += (text[position : found.start()], body)
            position = end
            size += len(body)
            if cuts is not None:
                begin = found.start() + (cuts[-1].new_end - cuts[-1].end if cuts else 0)
                cuts.append(Cut(found.start(), end, begin, begin + len(body), define.line))
            if size > LENGTH_LIMIT:
                raise Complaint(
                    "ASM064",
                    f"This line becomes longer than {LENGTH_LIMIT:,} characters.",
                    0,
                    len(self.line.text.rstrip()),
                )
        if not parts:
            return text
        parts.append(text[position:])
        return "".join(parts)


_Fill = Callable[["re.Match[str]"], str]


class _Pending(Line):
    """A line of a NASM macro's body whose arguments are filled in when it is read."""

    __slots__ = ("_call", "_fill", "_frame", "_inner", "_name", "_number", "_text")

    def __init__(self, call: Line, name: tuple[int, int], inner: Line, frame: _Frame, number: int) -> None:
        super().__init__(call.number, call.source, "", call.expansion, True)
        self._call = call
        self._name = name
        self._inner = inner
        self._frame = frame
        self._number = number
        self._text: str | None = None
        self._fill: _Fill | None = None

    def written(self) -> Line:
        return self._inner.written()

    def again(self) -> Line:
        return _Pending(self._call, self._name, self._inner, self._frame, self._number)

    def trace(self, start: int, end: int) -> Trace:
        text, inner = self.text, self._inner
        cuts = _cuts(inner.text, _NASM_PARAMETER, self._fill) if self._fill is not None else []
        return Filled(text, inner, cuts, self._call, self._name).trace(start, end)

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = self._inner.text
            if "%" in self._text:
                self._fill = _nasm_filler(tuple(self._frame.arguments), self._number, self._frame.most)
                self._text = _NASM_PARAMETER.sub(self._fill, self._text)
            self.expansion = (*self.expansion, (self._inner.number, self._text))
        return self._text

    @text.setter
    def text(self, value: str) -> None:
        """Made on reading."""


class _Parameters:
    """The origin of a line of a GNU macro, or of what `.irp` repeats; what was replaced is found when asked for."""

    __slots__ = ("_call", "_caption", "_fill", "_inner", "_name", "_text")

    def __init__(
        self, text: str, inner: Line, fill: _Fill, call: Line, name: tuple[int, int], caption: str = "in this call"
    ) -> None:
        self._text = text
        self._inner = inner
        self._fill = fill
        self._call = call
        self._name = name
        self._caption = caption

    def trace(self, start: int, end: int) -> Trace:
        cuts = _cuts(self._inner.text, _GNU_PARAMETER, self._fill)
        return Filled(self._text, self._inner, cuts, self._call, self._name, self._caption).trace(start, end)


def _cuts(text: str, pattern: re.Pattern[str], fill: _Fill) -> list[Cut]:
    """What filling in replaces."""
    cuts: list[Cut] = []
    shift = 0
    for found in pattern.finditer(text):
        new = fill(found)
        if new != found[0]:
            begin = found.start() + shift
            cuts.append(Cut(found.start(), found.end(), begin, begin + len(new)))
            shift += len(new) - len(found[0])
    return cuts


def _with_text(line: Line, text: str) -> Line:
    """A part of a line, its columns kept."""
    return Line(line.number, line.source, text, line.expansion, line.moved, line if line.moved else None)


def _called(call: Line, name: tuple[int, int], inner: Line, fill: _Fill) -> Line:
    text = _gnu_text(inner.text, fill)
    expansion = (*call.expansion, (inner.number, text))
    return Line(call.number, call.source, text, expansion, True, _Parameters(text, inner, fill, call, name))


# ---- text ------------------------------------------------------------------------------------------------------------

_COMMENT = re.compile(QUOTED + r"|([;#].*|//.*)")


@lru_cache(maxsize=1024)
def _expression(text: str, dialect: Dialect) -> Expression:
    tokens = tokenize(text, dialect)
    parser = Parser(tokens, dialect)
    tree = parser.expression()
    if parser.position < len(tokens):
        token = tokens[parser.position]
        raise Complaint("ASM011", f"`{token.text}` cannot stand here.", token.start, token.end)
    return tree


def _without_comment(text: str) -> str:
    for found in _COMMENT.finditer(text):
        if found[1] is not None:
            return text[: found.start()]
    return text


def _miscounted(name: str, wanted: int, given: int) -> str:
    return f"The macro `{name}` takes {wanted} argument{'s' * (wanted != 1)}, not {given}."


def _is_att(word: str) -> bool:
    return word[1:] in ("rax", "eax")


def _split_arguments(text: str, line: Line) -> list[str]:
    """Arguments at the commas outside quotes, parentheses, brackets and braces."""
    parts: list[str] = []
    depth = 0
    quote = ""
    begin = 0
    for index, character in enumerate(text):
        if quote:
            if character == quote and text[index - 1] != "\\":
                quote = ""
        elif character in "\"'`":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "," and depth <= 0:
            parts.append(text[begin:index].strip())
            begin = index + 1
    parts.append(text[begin:].strip())
    return parts


def _split_blanks(text: str) -> list[str]:
    return re.findall(r"\"[^\"]*\"|'[^']*'|\S+", text)


def _call_arguments(text: str, position: int) -> tuple[list[str] | None, int]:
    """The arguments in parentheses that begin at `position`, and where they end."""
    found = re.compile(r"\s*\(").match(text, position)
    if found is None:
        return None, position
    depth = 1
    index = found.end()
    while index < len(text) and depth:
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        index += 1
    if depth:
        return None, position
    inner = text[found.end() : index - 1]
    return (_split_arguments(inner, Line(0, inner)) if inner.strip() else []), index


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == '"' == text[-1] else text


def _braces_off(text: str) -> str:
    return (
        text[1:-1]
        if len(text) >= 2 and text[0] == "{" and text[-1] == "}" and text.count("{") == 1 and "," in text
        else text
    )


def _replaced(inner: Line, fill: _Fill, opening: Line) -> Line:
    text = _gnu_text(inner.text, fill)
    if text == inner.text:
        return inner
    expansion = (*inner.expansion[:-1], (inner.expansion[-1][0] if inner.expansion else inner.number, text))
    begin = len(opening.text) - len(opening.text.lstrip())
    origin = _Parameters(text, inner, fill, opening, (begin, begin), "repeated from here")
    return Line(inner.number, inner.source, text, expansion, True, origin)


_PASTED = re.compile(r"\s*%\+\s*")
_GNU_PARAMETER = re.compile(r"\\(?:(\(\))|(@)|([A-Za-z_.$][\w.$]*))")


def _gnu_text(text: str, fill: _Fill) -> str:
    return _GNU_PARAMETER.sub(fill, text) if "\\" in text else text


def _gnu_filler(table: dict[str, str], number: int) -> _Fill:
    def fill(found: re.Match[str]) -> str:
        if found[1]:
            return ""
        if found[2]:
            return str(number - 1)
        name = found[3]
        while name:
            if name in table:
                return table[name] + found[3][len(name) :]
            # `\reg.done` names the parameter `reg` where there is none of the longer name.
            cut = max(name.rfind("."), name.rfind("$"))
            name = name[:cut] if cut > 0 else ""
        return found[0]

    return fill


_NASM_PARAMETER = re.compile(r"%(?:\{([^}]*)\}|(%)([A-Za-z_.$?@][\w.$?@]*)|([0-9]+)|([-+][0-9]+))")
_OPPOSITES = {
    "o": "no", "b": "ae", "c": "nc", "nae": "ae", "e": "ne", "z": "nz", "be": "a", "na": "a", "s": "ns", "p": "np",
    "pe": "po", "l": "ge", "nge": "ge", "le": "g", "ng": "g",
}  # fmt: skip
_OPPOSITES |= {opposite: condition for condition, opposite in reversed(_OPPOSITES.items())} | {
    "nb": "b", "nbe": "be", "nl": "l", "nle": "le",
}  # fmt: skip
"""Each condition of a jump -> the one that is true where it is false."""


def _nasm_filler(arguments: tuple[str, ...], number: int, most: int) -> _Fill:
    """Arguments filled in: blank where one was left out, an error where the macro never has it."""

    def fill(found: re.Match[str]) -> str:
        if found[2]:
            return f"..@{number}.{found[3]}"
        name = found[1] if found[1] is not None else found[4] or found[5]
        if name[:1] in "+-" and name[1:].isdigit():
            # `j%+1` and `j%-1`: the argument is a condition, as it is or turned round.
            index = int(name[1:])
            condition = arguments[index - 1].lower() if 0 < index <= len(arguments) else ""
            if condition not in _OPPOSITES:
                return found[0]
            return _OPPOSITES[condition] if name[0] == "-" else condition
        if name.startswith("%"):
            return f"..@{number}.{name[1:]}"
        if not name.isdigit():
            return found[0]
        index = int(name)
        if index == 0:
            return str(len(arguments))
        return arguments[index - 1] if index <= len(arguments) else "" if index <= most else f"%{{{index}}}"

    return fill


_REPEATS = frozenset((".rept", ".rep", ".irp", ".irpc", "%rep"))
_CONDITIONAL = frozenset(("if", "elif", "else", "endif"))
_GNU_ACTIONS = {
    ".macro": "gnu_macro", ".rept": "rept", ".rep": "rept", ".irp": "irp", ".irpc": "irp", ".endm": "stray",
    ".endmacro": "stray", ".endr": "stray",
    ".exitm": "exitm", ".purgem": "forget", ".altmacro": "nothing", ".noaltmacro": "nothing", ".else": "else",
    ".elseif": "elif", ".endif": "endif",
} | dict.fromkeys(
    (f".if{kind}" for kind in ("", "def", "ndef", "notdef", "b", "nb", "c", "nc", "eq", "ne", "lt", "le", "gt", "ge",
    "eqs", "nes")), "if"
)  # fmt: skip
_TESTS = (
    "",
    "def",
    "ndef",
    "macro",
    "nmacro",
    "idn",
    "nidn",
    "idni",
    "nidni",
    "num",
    "nnum",
    "str",
    "nstr",
    "id",
    "nid",
    "empty",
    "nempty",
)
_NASM_ACTIONS = {
    "%define": "define", "%idefine": "define", "%xdefine": "define", "%ixdefine": "define", "%undef": "undef",
    "%assign": "assign",
    "%iassign": "assign", "%macro": "nasm_macro", "%imacro": "nasm_macro", "%endmacro": "stray", "%endm": "stray",
    "%unmacro": "forget",
    "%rep": "rept", "%endrep": "stray", "%exitrep": "exitrep", "%exitmacro": "exitm", "%rotate": "rotate",
    "%else": "else", "%endif": "endif",
    "%error": "message", "%fatal": "message", "%warning": "message", "%include": "refuse", "%use": "nothing",
    "%pragma": "nothing",
    "%line": "nothing", "%strlen": "strlen", "%clear": "nothing", "%pathsearch": "refuse", "%depend": "refuse",
} | dict.fromkeys(
    ("%push", "%pop", "%repl", "%arg", "%local", "%stacksize", "%defstr", "%idefstr", "%deftok", "%defalias", "%strcat",
    "%substr", "%rmacro", "%ifctx", "%iftoken", "%ifenv"), "unsupported"
) | {f"%if{test}": "if" for test in _TESTS} | {f"%elif{test}": "elif" for test in _TESTS}  # fmt: skip
