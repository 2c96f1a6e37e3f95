"""The preprocessor: macros, repetition and conditions; lines in, lines out, under caps.

NASM: %define %xdefine %undef %assign %macro %rep %if...; GNU: .macro .rept .irp .irpc .if... Both rearrange text
before a line is read as a statement. Every line that comes out knows the source line that asked for it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.preprocessor.arguments import (
    call_arguments,
    split_arguments,
    split_blanks,
    unquoted,
    without_braces,
    without_comment,
)
from execmem_kernel.assembly.preprocessor.model import (
    CONDITION_LIMIT,
    DEPTH_LIMIT,
    Condition,
    Define,
    Frame,
    Host,
    Macro,
)
from execmem_kernel.assembly.preprocessor.substitution import (
    PASTED,
    PendingLine,
    called_line,
    gnu_filler,
    repeated_line,
    with_text,
)
from execmem_kernel.assembly.syntax.dialects import GNU, NASM, DialectRules
from execmem_kernel.assembly.syntax.directives import DIRECTIVES
from execmem_kernel.assembly.syntax.expression_parser import Parser
from execmem_kernel.assembly.syntax.expressions import Expression
from execmem_kernel.assembly.syntax.lines import LENGTH_LIMIT, LINE_LIMIT, QUOTED, Line, Replacement, Substitution
from execmem_kernel.assembly.syntax.tokens import tokenize
from execmem_kernel.x86.mnemonics import is_mnemonic

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


class Preprocessor:
    """Hands out the lines of a source one by one, macros expanded."""

    def __init__(self, lines: list[Line], host: Host) -> None:
        self._source = lines
        self._index = 0
        text = "\n".join(line.text for line in lines)
        self._defines: dict[str, Define] = {
            name: Define(None, value, lines[0]) for name, value in _PREDEFINED.items() if name in text
        }
        self._plain = not self._defines and _NEEDED.search(text) is None
        self._host = host
        self.line: Line = self._source[0]
        self._frames = [Frame("source", lambda _: self._source, lines=self._source)]
        self._conditions: list[Condition] = []
        self._macros: dict[str, list[Macro]] = {}
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
                    self._frames = [Frame("source", lambda _: [])]
                    raise SourceError(
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
            self._frames = [Frame("source", lambda _: [])]
            raise SourceError("ASM060", f"The program has more than {LINE_LIMIT:,} lines.", 0, line.text_end)
        if len(line.text) > LENGTH_LIMIT:
            raise SourceError("ASM064", f"This line is longer than {LENGTH_LIMIT:,} characters.", 0, 1, "split it")
        return line

    def _next_round(self, frame: Frame) -> bool:
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
                raise SourceError(
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

    def _process(self, line: Line, frame: Frame) -> Line | None:
        """The line to be read as a statement, or None where the line was for us."""
        if ";" in line.text:
            texts = self._host.pieces(line.text, self._macros)
            if len(texts) > 1:
                pieces = [with_text(line, text) for text in texts]
                self._push(Frame("pieces", lambda _: pieces), line)
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
                raise SourceError("ASM050", f"There is no directive named `{found[1]}`.", found.start(1), found.end(1))
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
            return with_text(line, label) if label else None
        return line

    def _with_indirections(self, line: Line) -> Line:
        """`%[name]` filled in at once, wherever it stands."""
        text = _INDIRECTION.sub(lambda found: self._define_text(found[1]), line.text)
        begin = len(text) - len(text.lstrip())
        cut = Replacement(len(line.text) - len(line.text.lstrip()), len(line.text.rstrip()), begin, len(text))
        return Line(line.number, line.source, text, line.expansion, True, Substitution(text, line, [cut]))

    def _active(self) -> bool:
        return not self._conditions or self._conditions[-1].active

    # ---- conditions --------------------------------------------------------------------------------------------------

    def _do_if(self, line: Line, word: str, rest: str) -> None:
        if len(self._conditions) >= CONDITION_LIMIT:
            self._frames = [Frame("source", lambda _: [])]
            self._conditions.clear()
            raise SourceError(
                "ASM061",
                f"Conditions are nested more than {CONDITION_LIMIT:,} deep here.",
                0,
                len(line.text.rstrip()),
                "is one of them never closed?",
            )
        outer = self._active()
        try:
            truth = outer and self._judge(line, word, rest)
        except SourceError:
            self._conditions.append(Condition(False, True, outer, line))
            raise
        self._conditions.append(Condition(truth, truth, outer, line))

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

    def _innermost(self, line: Line, word: str) -> Condition:
        if not self._conditions:
            raise SourceError("ASM052", f"`{word}` has no condition before it.", 0, len(line.text.rstrip()))
        return self._conditions[-1]

    def _judge(self, line: Line, word: str, rest: str) -> bool:
        bare = without_comment(rest).strip()
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
            parts = [part.strip().strip("'\"") for part in split_arguments(text, line)]
            if len(parts) != 2:
                raise SourceError("ASM051", f"`{word}` compares two texts.", 0, len(line.text.rstrip()))
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
            raise SourceError("ASM050", f"There is no condition named `{word}`.", 0, len(line.text.rstrip()))
        return truth != negative

    def _value(self, line: Line, word: str, text: str) -> int:
        """A number that must be known now, by the rules of the assembler whose directive asks."""
        if self._defines:
            text = self._define_text(text)
        if text.isdecimal() and text.isascii() and (text[0] != "0" or len(text) == 1) and len(text) < 19:
            return int(text)
        start, end = 0, len(line.text.rstrip())
        if not text:
            raise SourceError("ASM010", "A number is missing here.", start, end)
        try:
            return self._host.known_value(_expression(text, NASM if word[0] == "%" else GNU), line)
        except SourceError as complaint:
            raise SourceError(complaint.code, complaint.message, start, end, complaint.hint) from None

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
                if depth > DEPTH_LIMIT and not raw:
                    raise self._too_deep(line)  # found at once: every repetition would look through all inside it
            elif word in closings:
                depth -= 1
                if depth == 0:
                    return body
            body.append(inner)
        self.line = line
        raise SourceError(
            "ASM065",
            "This is never closed.",
            0,
            len(line.text.rstrip()),
            f"add {' or '.join(f'`{name}`' for name in sorted(closings))}",
        )

    def _too_deep(self, line: Line) -> SourceError:
        self._frames = [Frame("source", lambda _: [])]
        return SourceError(
            "ASM061",
            f"Macros are nested more than {DEPTH_LIMIT} deep here.",
            0,
            len(line.text.rstrip()),
            "does a macro call itself without end?",
        )

    def _push(self, frame: Frame, line: Line) -> None:
        if len(self._frames) > DEPTH_LIMIT:
            raise self._too_deep(line)
        frame.conditions = len(self._conditions)
        if frame.rounds:
            frame.lines = frame.make(0)
            self._frames.append(frame)

    def _do_rept(self, line: Line, word: str, rest: str) -> None:
        body = self._body(line, _REPEATS, frozenset((".endr",)) if word[0] == "." else frozenset(("%endrep",)))
        count = self._value(line, word, without_comment(rest).replace(".nolist", "").strip())
        if count < 0:
            raise SourceError("ASM056", f"A count cannot be negative; this is {count}.", 0, len(line.text.rstrip()))
        if count * max(1, len(body)) > LINE_LIMIT:
            self._frames = [Frame("source", lambda _: [])]
            raise SourceError(
                "ASM060",
                f"This expands to more than {LINE_LIMIT:,} lines.",
                0,
                len(line.text.rstrip()),
                "repeat less, or write a loop that runs",
            )
        self._push(Frame("repeat", lambda _: [inner.again() for inner in body], count), line)

    def _do_exitrep(self, line: Line, word: str, rest: str) -> None:
        self._leave("repeat", f"`{word}` stands outside of a repetition.", line)

    def _leave(self, kind: str, outside: str, line: Line) -> None:
        """End the innermost frame of a kind, and everything begun inside it; `outside` says that there is none."""
        while len(self._frames) > 1:
            frame = self._frames.pop()
            del self._conditions[frame.conditions :]
            if frame.kind == kind:
                return
        raise SourceError("ASM052", outside, 0, len(line.text.rstrip()))

    def _do_irp(self, line: Line, word: str, rest: str) -> None:
        body = self._body(line, _REPEATS, frozenset((".endr",)))
        name, _, values_text = without_comment(rest).strip().partition(",")
        name = name.strip()
        if " " in name and not values_text:
            name, _, values_text = name.partition(" ")
        if not re.fullmatch(r"[A-Za-z_.$][\w.$]*", name):
            raise SourceError(
                "ASM051",
                f"`{word}` needs a name and values.",
                0,
                len(line.text.rstrip()),
                f"for example: {word} reg, rax, rbx",
            )
        values_text = values_text.strip()
        values = list(values_text) if word == ".irpc" else split_arguments(values_text, line) or [""]

        calls = self._calls

        def make(index: int) -> list[Line]:
            fill = gnu_filler({name: unquoted(values[index])}, calls)
            return [repeated_line(inner, fill, line) for inner in body]

        self._push(Frame("repeat", make, len(values)), line)

    # ---- macros ------------------------------------------------------------------------------------------------------

    def _do_gnu_macro(self, line: Line, word: str, rest: str) -> None:
        body = self._body(line, frozenset((".macro",)), frozenset((".endm", ".endmacro")))
        found = re.match(r"\s*([A-Za-z_.$][\w.$]*)\s*,?\s*(.*)", without_comment(rest).strip())
        if found is None:
            raise SourceError(
                "ASM051",
                "`.macro` needs a name.",
                0,
                len(line.text.rstrip()),
                "for example: .macro push2 first, second",
            )
        macro = Macro(found[1], body, gnu=True)
        pattern = r"([A-Za-z_.$][\w.$]*)\s*(?::\s*(req|vararg))?\s*(?:=\s*(\"[^\"]*\"|[^,\s]+))?\s*,?\s*"
        position, text = 0, found[2]
        while position < len(text):
            parameter = re.compile(pattern).match(text, position)
            if parameter is None or parameter.end() == position:
                raise SourceError(
                    "ASM051",
                    "The parameters of this macro cannot be read.",
                    0,
                    len(line.text.rstrip()),
                    "names, separated by commas",
                )
            default = parameter[3]
            macro.parameters.append((parameter[1], None if default is None else unquoted(default), parameter[2] or ""))
            position = parameter.end()
        self._macros[macro.name.lower()] = [macro]

    def _do_nasm_macro(self, line: Line, word: str, rest: str) -> None:
        body = self._body(
            line, frozenset(("%macro", "%imacro", "%rmacro")), frozenset(("%endmacro", "%endm")), raw=True
        )
        found = re.match(r"\s*([\w.$@?]+)(?:\s+(\d+)(?:-(\d+|\*))?(\+?))?\s*(.*)", without_comment(rest))
        if found is None:
            raise SourceError(
                "ASM051",
                "`%macro` needs a name and a count.",
                0,
                len(line.text.rstrip()),
                "for example: %macro push2 2",
            )
        if found[2] is None and found[5].replace(".nolist", "").strip():
            raise SourceError(
                "ASM051",
                "`%macro` counts its arguments and does not name them.",
                0,
                len(line.text.rstrip()),
                f"for example: %macro {found[1]} 2, and in its body %1 and %2",
            )
        least = int(found[2] or 0)
        most = 1000 if found[3] == "*" else int(found[3] or least)
        text = found[5].replace(".nolist", "").strip()
        macro = Macro(
            found[1], body, False, [], least, most, found[4] == "+", split_arguments(text, line) if text else []
        )
        same = self._macros.setdefault(macro.name.lower() if word == "%imacro" else macro.name, [])
        same[:] = [other for other in same if (other.least, other.most) != (least, most)]
        same.append(macro)

    def _do_forget(self, line: Line, word: str, rest: str) -> None:
        name = without_comment(rest).split()
        for key in name[:1]:
            self._macros.pop(key, None)
            self._macros.pop(key.lower(), None)

    def _do_exitm(self, line: Line, word: str, rest: str) -> None:
        self._leave("macro", f"`{word}` stands outside of a macro.", line)

    def _do_rotate(self, line: Line, word: str, rest: str) -> None:
        for frame in reversed(self._frames):
            if frame.kind == "macro" and frame.arguments:
                count = self._value(line, word, without_comment(rest).strip()) % len(frame.arguments)
                frame.arguments[:] = frame.arguments[count:] + frame.arguments[:count]
                return
        raise SourceError("ASM052", f"`{word}` stands outside of a macro with arguments.", 0, len(line.text.rstrip()))

    def _do_stray(self, line: Line, word: str, rest: str) -> None:
        raise SourceError("ASM052", f"`{word}` does not belong to anything before it.", 0, len(line.text.rstrip()))

    def _do_nothing(self, line: Line, word: str, rest: str) -> None:
        """`.altmacro` and the like change nothing that we do."""

    def _call(self, macros: list[Macro], line: Line, rest: str, found: re.Match[str]) -> None:
        rest = without_comment(rest).strip()
        self._calls += 1
        number = self._calls
        macro = macros[-1]
        start, end = found.start(1), len(line.text.rstrip())
        arguments = split_arguments(rest, line) if rest else []
        if macro.gnu:
            if len(arguments) == 1 and len(macro.parameters) > 1 and macro.parameters[0][2] != "vararg":
                spaced = split_blanks(arguments[0])
                if 1 < len(spaced) <= len(macro.parameters) and not re.search(r"[-+*/()\[\]]", arguments[0]):
                    arguments = spaced
            fill = gnu_filler(self._gnu_arguments(macro, arguments, start, end), number)
            name = found.span(1)

            def make(_: int) -> list[Line]:
                return [called_line(line, name, inner, fill) for inner in macro.body]

            self._push(Frame("macro", make), line)
            return
        fitting = [macro for macro in macros if macro.least <= len(arguments) <= macro.most]
        if not fitting:
            greedy = [macro for macro in macros if macro.greedy and len(arguments) >= macro.least]
            if not greedy:
                wanted = " or ".join(
                    str(macro.least) if macro.least == macro.most else f"{macro.least} to {macro.most}"
                    for macro in macros
                )
                raise SourceError(
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
        frame = Frame(
            "macro",
            lambda _: [],
            arguments=[without_braces(argument) for argument in arguments],
            most=macro.most,
            number=number,
        )
        chosen = macro
        # %rotate changes the arguments on the way, so a line is filled in when its turn comes.
        frame.make = lambda _: [PendingLine(line, found.span(1), inner, frame, number) for inner in chosen.body]
        self._push(frame, line)

    def _gnu_arguments(self, macro: Macro, arguments: list[str], start: int, end: int) -> dict[str, str]:
        table = {name: default or "" for name, default, _ in macro.parameters}
        names = list(table)
        position = 0
        for index, argument in enumerate(arguments):
            keyword = re.match(r"([A-Za-z_.$][\w.$]*)\s*=(?!=)\s*(.*)", argument)
            if keyword is not None and keyword[1] in table:
                table[keyword[1]] = unquoted(keyword[2])
                continue
            if position >= len(names):
                raise SourceError(
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
                table[names[position]] = unquoted(argument)
            position += 1
        for name, _, kind in macro.parameters:
            if kind == "req" and not table[name]:
                raise SourceError("ASM066", f"The macro `{macro.name}` needs a value for `{name}`.", start, end)
        return table

    # ---- single-line macros ------------------------------------------------------------------------------------------

    def _do_define(self, line: Line, word: str, rest: str) -> None:
        found = re.match(
            r"\s*([A-Za-z_.$?@][\w.$?@]*)(\(([^)]*)\))?(?:\s+(.*)|\s*)$", without_comment(rest).rstrip(), re.DOTALL
        )
        if found is None:
            raise SourceError(
                "ASM051", f"`{word}` needs a name.", 0, len(line.text.rstrip()), "for example: %define SIZE 8"
            )
        text = (found[4] or "").strip()
        if word in ("%xdefine", "%ixdefine"):
            text = self._define_text(text)
        parameters = [name.strip() for name in found[3].split(",") if name.strip()] if found[2] else None
        any_case = word.startswith("%i")
        self._defines[found[1].lower() if any_case else found[1]] = Define(parameters, text, line, any_case)

    def _do_undef(self, line: Line, word: str, rest: str) -> None:
        self._defines.pop(without_comment(rest).strip(), None)

    def _do_assign(self, line: Line, word: str, rest: str) -> None:
        found = re.match(r"\s*([A-Za-z_.$?@][\w.$?@]*)\s+(.*)$", without_comment(rest).rstrip())
        if found is None:
            raise SourceError(
                "ASM051",
                f"`{word}` needs a name and a number.",
                0,
                len(line.text.rstrip()),
                "for example: %assign count 3",
            )
        value = self._value(line, word, found[2])
        self._defines[found[1]] = Define(None, str(value) if value >= 0 else f"({value})", line)

    def _do_strlen(self, line: Line, word: str, rest: str) -> None:
        found = re.match(r"\s*([A-Za-z_.$?@][\w.$?@]*)\s+(.*)$", without_comment(rest).rstrip())
        text = self._define_text(found[2].strip()) if found is not None else ""
        if found is None or len(text) < 2 or text[0] not in "\"'`" or text[-1] != text[0]:
            raise SourceError("ASM051", f"`{word}` needs a name and a text in quotes.", 0, len(line.text.rstrip()))
        self._defines[found[1]] = Define(None, str(len(text[1:-1].encode())), line)

    def _do_message(self, line: Line, word: str, rest: str) -> None:
        text = rest.strip().strip("\"'")
        if word in ("%error", "%fatal"):
            raise SourceError("ASM063", f"The source says: {text}", 0, len(line.text.rstrip()))
        self._host.note_warning(line, text)

    def _do_unsupported(self, line: Line, word: str, rest: str) -> None:
        raise SourceError(
            "ASM059",
            f"`{word}` is refused: this part of NASM's preprocessor is not here.",
            0,
            len(line.text.rstrip()),
            "%define, %assign, %macro, %rep and %if are; `%%name` is a label of each call's own",
        )

    def _do_refuse(self, line: Line, word: str, rest: str) -> None:
        raise SourceError(
            "ASM059",
            f"`{word}` is refused.",
            0,
            len(line.text.rstrip()),
            "A cell reads no files: paste what is needed into the cell.",
        )

    def _substituted(self, line: Line) -> Line:
        cuts: list[Replacement] = []
        filled = self._filled(line.text, frozenset(), 0, cuts)
        text = PASTED.sub("", filled)
        if text == line.text:
            return line
        if text != filled:
            begin = len(text) - len(text.lstrip())
            cuts = [Replacement(begin, len(line.text.rstrip()), begin, len(text))]
        origin = Substitution(text, line, cuts)
        return Line(line.number, line.source, text, line.expansion or ((line.number, text),), True, origin)

    def _define_text(self, text: str) -> str:
        """The text with single-line macros filled in; a macro is not filled in again inside itself."""
        return PASTED.sub("", self._filled(text, frozenset(), 0))

    def _filled(self, text: str, hidden: frozenset[str], depth: int, cuts: list[Replacement] | None = None) -> str:
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
                arguments, end = call_arguments(text, end)
                if arguments is None:
                    continue
                if len(arguments) != len(define.parameters):
                    raise SourceError(
                        "ASM066",
                        _miscounted(word, len(define.parameters), len(arguments)),
                        0,
                        len(self.line.text.rstrip()),
                    )
                table = dict(zip(define.parameters, arguments, strict=True))
                body = re.sub(r"[A-Za-z_.$?@][\w.$?@]*", lambda name, table=table: table.get(name[0], name[0]), body)  # type: ignore[misc]
            if depth > DEPTH_LIMIT:
                raise SourceError(
                    "ASM061", f"Macros are nested more than {DEPTH_LIMIT} deep here.", 0, len(self.line.text.rstrip())
                )
            body = self._filled(body, hidden | {key}, depth + 1)
            parts += (text[position : found.start()], body)
            position = end
            size += len(body)
            if cuts is not None:
                begin = found.start() + (cuts[-1].new_end - cuts[-1].end if cuts else 0)
                cuts.append(Replacement(found.start(), end, begin, begin + len(body), define.line))
            if size > LENGTH_LIMIT:
                raise SourceError(
                    "ASM064",
                    f"This line becomes longer than {LENGTH_LIMIT:,} characters.",
                    0,
                    len(self.line.text.rstrip()),
                )
        if not parts:
            return text
        parts.append(text[position:])
        return "".join(parts)


@lru_cache(maxsize=1024)
def _expression(text: str, rules: DialectRules) -> Expression:
    tokens = tokenize(text, rules)
    parser = Parser(tokens, rules)
    tree = parser.expression()
    if parser.position < len(tokens):
        token = tokens[parser.position]
        raise SourceError("ASM011", f"`{token.text}` cannot stand here.", token.start, token.end)
    return tree


def _miscounted(name: str, wanted: int, given: int) -> str:
    return f"The macro `{name}` takes {wanted} argument{'s' * (wanted != 1)}, not {given}."


def _is_att(word: str) -> bool:
    return word[1:] in ("rax", "eax")


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
