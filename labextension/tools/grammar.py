"""The TextMate grammar of `%%asm` cells, for editors that know no CodeMirror: VS Code injects it into Python.

TextMate reads line by line and never ahead, so a dialect holds from the line on that declares it. Otherwise the
grammar and the CodeMirror mode find the same classes; a test compares them over tests/assembly/programs.
"""

from __future__ import annotations

from typing import Any

from labextension.tools.patterns import COUNTED, EDGE, alternatives, token_patterns, words

SCOPES = {
    "comment": "comment.line.asm.x86",
    "string": "string.quoted.asm.x86",
    "number": "constant.numeric.asm.x86",
    "label": "entity.name.label.asm.x86",
    "mnemonic": "keyword.mnemonic.asm.x86",
    "directive": "keyword.control.directive.asm.x86",
    "register": "variable.language.register.asm.x86",
    "size": "storage.type.size.asm.x86",
    "argument": "variable.parameter.asm.x86",
    "magic": "keyword.control.magic.asm.x86",
    "option": "entity.other.attribute-name.asm.x86",
}
"""The class of a token -> its scope. Those of the CodeMirror mode are in src/language/tokens.ts."""

CELL = "meta.embedded.block.asm.x86"
"""The scope of all that is not Python's."""

LEFT = r"(?<![A-Za-z0-9_.@?])"
"""No character of a name stands before: the engine looks for every pattern everywhere, so in every word once."""

Rule = dict[str, Any]


def grammar(language: dict[str, Any]) -> Rule:
    """The injection grammar.

    Args:
        language: execmem_kernel/editor/language.json.
    """
    made = _Grammar(language)
    magic = r"(?i)^\s*(%%asm)(?=\s|$)"
    cell = {"end": "(?!)"}  # the rest of the document is assembly
    captures = {
        "1": {"name": SCOPES["magic"]},
        "2": {"patterns": [{"include": "#magic_line"}]},
    }
    return {
        "information_for_contributors": ["Written by scripts/build-frontend from execmem_kernel/editor/language.json."],
        "name": "Assembly cells (%%asm)",
        "scopeName": "execmem.asm.injection",
        # L: before Python's own rules, but not inside its texts and comments, and once only.
        "injectionSelector": f"L:source.python -comment -string -{CELL}",
        "patterns": [{"include": "#below_comments"}, {"include": "#first_line"}],
        "repository": {
            # \A is the start of the document, and VS Code makes a document of each notebook cell.
            "first_line": {
                "begin": r"\A(?=\s*%%asm(?:\s|$))", "end": "(?!)", "name": CELL,
                "patterns": [{"include": "#cell"}],
            },
            # IPython finds the magic below blank lines and comments too.
            "below_comments": {
                "begin": r"\A(?=\s*(?:#|$))", "end": r"^(?!\s*(?:#|$|%%asm(?:\s|$)))", "name": CELL,
                "patterns": [{"match": "#.*$", "name": "comment.line.number-sign.python"}, {"include": "#cell"}],
            },
            "cell": {"patterns": [
                {"begin": rf"{magic}(?=.*\s--syntax[ \t=]+att\b)(.*)$", "beginCaptures": captures, **cell,
                 "patterns": [{"include": "#att"}]},
                {"begin": rf"{magic}(.*)$", "beginCaptures": captures, **cell,
                 "patterns": [{"include": "#undeclared"}]},
            ]},
            "magic_line": {"patterns": made.magic_line()},
            **made.dialects(),
        },
    }  # fmt: skip


class _Grammar:
    """The rules of each dialect, made of one set of patterns."""

    def __init__(self, language: dict[str, Any]) -> None:
        self.language = language
        self.tokens = token_patterns(language)
        self.words = {name: alternatives(names) for name, names in words(language).items()}
        prefixed = "|".join(rf"{alternatives([prefix])}[\w.]*" for prefix in language["directives"]["gnu_prefixes"])
        self.directive = f"(?:{self.words['directives']}|{prefixed}){EDGE}"
        self.register = rf"(?:{self.words['registers']}(?![A-Za-z0-9_.@?$(])|st\([0-7]\)|st{EDGE})"

    def dialects(self) -> dict[str, Rule]:
        """A repository with the statements of each dialect, its operands, and what leads from one to another."""
        declared = self.language["dialects"]
        nasm, dotted, masm = (
            "|".join(declared[name].removeprefix("^") for name in names)
            for names in (
                ("nasm_preprocessor", "nasm_alone", "nasm_word"),
                ("gnu_section", "gnu_directive"),
                ("masm_word",),
            )
        )
        switches = {
            "to_nasm": ("nasm", rf"(?i)^(?={nasm})"),
            "to_masm": ("masm", rf"(?i)^(?={masm})"),
            "to_dotted": ("dotted", rf"(?i)^(?={dotted})"),
            "to_gnu": ("gnu", r"(?i)^(?=[ \t]*\.intel_syntax\b)"),
            "to_att": ("att", r"(?i)^(?=[ \t]*\.att_syntax\b)"),
        }
        made: dict[str, Rule] = {
            name: {"begin": begin, "end": "(?!)", "patterns": [{"include": f"#{target}"}]}
            for name, (target, begin) in switches.items()
        }
        leads = {
            "undeclared": ("to_gnu", "to_att", "to_masm", "to_dotted", "to_nasm"),
            "dotted": ("to_gnu", "to_att", "to_masm"), "nasm": (), "masm": (), "gnu": ("to_att",), "att": ("to_gnu",),
        }  # fmt: skip
        for rules in ("undeclared", "nasm", "masm", "gnu"):
            made |= self._rules(rules)
        made["att_mnemonic"] = self._begins(f"{self.words['att']}{EDGE}", "mnemonic", "gnu", "gnu_operands")
        for dialect, names in leads.items():
            rules = {"att": "gnu", "dotted": "undeclared"}.get(dialect, dialect)
            more = ("att_mnemonic",) if dialect == "att" else ()
            made[dialect] = {"patterns": [{"include": f"#{name}"} for name in (*names, *more, f"{rules}_statement")]}
        return made

    def _rules(self, rules: str) -> dict[str, Rule]:
        """The statements and operands of one dialect."""
        comments = self._comments(rules)
        prefix = rf"{LEFT}({self.words['prefixes']}){EDGE}" + ("(?:[ \\t]*;)?" if rules == "gnu" else "")
        operands = f"{rules}_operands"
        return {
            f"{rules}_statement": {"patterns": [
                *([{"match": f"(?i){self._separator()}"}] if rules == "gnu" else []),
                *comments,
                {"match": f"(?i){self.tokens['decoration']}", "name": SCOPES["size"]},
                {"match": f"(?i){LEFT}{self.tokens['label']}", "name": SCOPES["label"]},
                {"include": f"#{rules}_word"},
                {"match": f"(?i){LEFT}{self.tokens['named']}", "name": SCOPES["label"]},
                {"match": r"[:\[]"},
                {"begin": r"(?=\S)", "end": self._end(rules), "patterns": [{"include": f"#{operands}"}]},
            ]},
            f"{rules}_word": {"patterns": [
                {"match": f"(?i){prefix}", "captures": {"1": {"name": SCOPES["mnemonic"]}}},
                self._begins(f"{alternatives(COUNTED)}{EDGE}", "directive", rules, f"{rules}_counted"),
                self._begins(self.directive, "directive", rules, operands),
                self._begins(f"{self.words['mnemonics']}{EDGE}", "mnemonic", rules, operands),
            ]},
            f"{rules}_counted": {"patterns": [{"include": f"#{rules}_word"}, {"include": f"#{operands}"}]},
            operands: {"patterns": [
                *([self._division()] if rules == "nasm" else []),
                *comments,
                *self._operand_tokens(rules),
            ]},
        }  # fmt: skip

    def _begins(self, word: str, name: str, rules: str, inside: str) -> Rule:
        """A word that others follow up to the end of the statement."""
        return {
            "begin": f"(?i){LEFT}{word}", "beginCaptures": {"0": {"name": SCOPES[name]}}, "end": self._end(rules),
            "patterns": [{"include": f"#{inside}"}],
        }  # fmt: skip

    def _end(self, rules: str) -> str:
        # A comment over several lines ends the statement too: what follows it stands on a line of its own.
        line = r"(?<!\\)$" if rules == "nasm" else "$"
        return rf"{line}|(?=/\*(?!.*\*/))" + ("|(?=;)" if rules == "gnu" else "")

    def _comments(self, rules: str) -> list[Rule]:
        marks = [*self.language["comments"][rules]["line"]]
        if "//" not in marks:
            marks.append("//")  # where it divides is asked first
        if rules == "gnu":
            marks.append(";")  # where it separates is asked first
        name = SCOPES["comment"]
        begin = f"(?:{'|'.join(sorted(marks))})"
        line = {"begin": begin, "end": r"(?<!\\)$", "name": name} if rules == "nasm" else {
            "match": f"{begin}.*$", "name": name}  # fmt: skip
        return [{"begin": r"/\*", "end": r"\*/", "name": "comment.block.asm.x86"}, line]

    def _separator(self) -> str:
        """GNU's semicolon before what begins like a statement."""
        known = f"(?:{self.words['mnemonics']}|{self.words['att']}|{self.words['prefixes']}|{self.words['directives']})"
        labels = r"(?:[\w.$]+:(?!:)\s*)"
        operands = r"[\w.$]*\s+[^\s,]+(?:\s*,\s*[^\s,]+)+\s*(?:#.*|;.*)?$"
        return rf";(?=[ \t;]*(?:{labels}*{known}(?![\w.$])|{labels}+(?![\w.$])|{labels}*{operands}))"

    def _division(self) -> Rule:
        """NASM's `//` where an operand can go on: behind a number, a name or a parenthesis."""
        return {"match": rf"(?i)(?=[ \t]*{self.tokens['divisor']})(?<=[\w.$?@)])(?!\G)[ \t]*//"}

    def _operand_tokens(self, rules: str) -> list[Rule]:
        references = [] if rules in ("nasm", "masm") else [("reference", "label")]
        named = [
            (self.tokens["string"][rules], "string"),
            (self.tokens["decoration"], "size"),
            *((LEFT + self.tokens[pattern], name) for pattern, name in references),
            (LEFT + self.tokens["number"][rules], "number"),
            (self.tokens["argument"], "argument"),
        ]
        # Behind a register nothing can be divided.
        comment = r"(?:[ \t]*(//.*)$)?" if rules == "nasm" else ""
        captures = {"1": {"name": SCOPES["register"]}, "2": {"name": SCOPES["comment"]}}
        return [
            *({"match": f"(?i){pattern}", "name": SCOPES[name]} for pattern, name in named),
            {"match": f"(?i){LEFT}({self.register}){comment}", "captures": captures},
            {"match": f"(?i){LEFT}{self.words['sizes']}{EDGE}", "name": SCOPES["size"]},
            {"match": f"(?i){LEFT}(?:{self.tokens['name']}|{self.tokens['no_number']})"},
        ]

    def magic_line(self) -> list[Rule]:
        """The options behind `%%asm`."""
        return [
            {"match": f"(?i){self.tokens['string']['nasm']}", "name": SCOPES["string"]},
            {"match": f"(?i){self.tokens['option']}", "name": SCOPES["option"]},
            {"match": f"(?i){self.register}(?==)", "name": SCOPES["register"]},
            {"match": f"(?i){self.tokens['number']['undeclared']}", "name": SCOPES["number"]},
            {"match": f"(?i){self.tokens['name']}|{self.tokens['no_number']}"},
        ]
