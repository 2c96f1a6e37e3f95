"""Hints for a word at the beginning of a statement that is neither instruction, directive nor macro."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence

from execmem_kernel.assembly.diagnostics.hints import other_processor
from execmem_kernel.assembly.syntax.directives import DIRECTIVES, MASM_DATA
from execmem_kernel.assembly.syntax.tokens import Token
from execmem_kernel.x86.mnemonics import is_mnemonic, nearest_mnemonics
from execmem_kernel.x86.registers import canonical_register

_BRANCH = "there is no `{}` in assembly: compare with cmp, then jump to a label with je, jne, jl, jg and the like"
_DATA = "data are `name: .long 5` (or .byte, .quad, .asciz), constants `name = 5`"
_FROM_C = {
    **dict.fromkeys(("if", "else", "elif", "while", "for", "until", "switch", "case", "endif", "endwhile"), _BRANCH),
    **dict.fromkeys(("char", "long", "double", "void", "unsigned", "var", "struct", "string", "float"), _DATA),
    **dict.fromkeys(("const", "let", "define", "constant"), "a constant is written `name = 5`"),
    **dict.fromkeys(
        ("printf", "puts", "scanf", "malloc", "exit", "putchar", "getchar"),
        "a function is called with `call {0}`, its arguments in rdi, rsi, rdx, rcx, r8, r9; write `extern {0}` above",
    ),
    **dict.fromkeys(
        ("print", "write", "echo", "input", "read", "cout", "cin"),
        "there is no `{}`: make a system call with syscall, or write `extern puts` above and `call puts`",
    ),
    **dict.fromkeys(
        ("print_dec", "print_udec", "print_hex", "print_string", "print_char", "print_int", "newline", "get_dec"),
        "`{}` is a macro of a course's own file; here rax is shown after `ret`, and `call puts` writes a text",
    ),
    "return": "put the result into rax and write `ret`",
    "goto": "write `jmp` and a label",
    "break": "write `jmp` and a label behind the loop",
    "continue": "write `jmp` and the label of the loop",
    "function": "a function is a label, `name:`, and ends with ret",
    "def": "a function is a label, `name:`, and ends with ret",
    "include": "a cell reads no files: paste what is needed into the cell",
    "import": "name what lies elsewhere with `extern`",
    "move": "write `mov`",
    "jump": "write `jmp`",
    "compare": "write `cmp`",
    "increment": "write `inc`",
    "decrement": "write `dec`",
    "multiply": "write `imul`",
    "divide": "write `div` or `idiv`",
    "halt": "a program ends with ret; the processor's own word is `hlt`",
    "stop": "a program ends with ret",
    "local": "a variable of a function's own lies on the stack: `sub rsp, 16`, then [rsp] and [rsp + 8]",
    "macro": "a macro is `.macro name` to `.endm`, in NASM `%macro name 0` to `%endmacro`",
    "endm": "a macro is `.macro name` to `.endm`, in NASM `%macro name 0` to `%endmacro`",
    "invoke": "put the arguments into rdi, rsi, rdx, rcx, r8, r9 and write `call`",
    "disassembly": "of a disassembler's listing keep the instructions only",
    "mod": "div leaves the remainder in rdx",
    "pow": "multiply in a loop, or shift where it is a power of two",
    "sqrt": "sqrtsd works on xmm registers",
    "abs": "neg it where it is negative: cmp, jns and neg",
    **dict.fromkeys(("max", "min"), "cmp the two, then cmovl or cmovg"),
    "swap": "write `xchg`",
    "shift": "write `shl` or `shr`, or `sar` to keep the sign",
    "rotate": "write `rol` or `ror`",
    **dict.fromkeys(("nand", "nor"), "write `and` or `or`, then `not`"),
    **dict.fromkeys(("clear", "clr", "zero"), "`xor eax, eax` makes eax 0"),
    **dict.fromkeys(("copy", "put", "get", "set"), "write `mov`"),
    "interrupt": "write `int`",
    **dict.fromkeys(("movs", "movz", "movx"), "movzx fills up with zeros, movsx with the sign, mov copies"),
}
_EXTENSION = re.compile(r"mov([sz])([bwl])[wlq]")
_PLAIN_DIRECTIVES = [name for name in DIRECTIVES if name[0] != "."]
_LABELS = frozenset(("start", "begin", "main", "done", "end", "next", "again", "top", "finish", "exit", "label"))
"""Words that are hardly misspelt instructions."""


def unknown_word(word: str, behind: Sequence[Token]) -> str:
    """A hint for a word that begins a statement and is nothing known; `behind` are the tokens after it.

    "" says that nothing is known better than the nearest instructions.
    """
    return next((hint for rule in _HINTS if (hint := rule(word, behind))), "")


def _first(behind: Sequence[Token]) -> str:
    return behind[0].text.lower() if behind else ""


def _of_another_language(word: str, behind: Sequence[Token]) -> str:
    lowered = word.lower()
    if lowered in _FROM_C:
        return _FROM_C[lowered].format(word)
    elsewhere = other_processor(word)
    if not elsewhere and _first(behind) == "(" and [token.text for token in behind[-2:]] == [")", ":"]:
        return f"a label is a plain name: `{word}:`"
    if not elsewhere and _first(behind) == "(":
        return f"a function is called with `call {word}`, its arguments in rdi, rsi, rdx, rcx, r8, r9"
    return elsewhere


def _att_extension(word: str, behind: Sequence[Token]) -> str:
    """`movzbl`, which Intel syntax spells without sizes."""
    found = _EXTENSION.fullmatch(word.lower())
    if found is None:
        return ""
    intel = "movzx" if found[1] == "z" else "movsxd" if found[2] == "l" else "movsx"
    return f"this is AT&T's name; in Intel syntax write `{intel}`"


def _braces(word: str, behind: Sequence[Token]) -> str:
    if _first(behind) != "{":
        return ""
    return f"there are no braces: a function is a label, `{word}:`, and ends with ret"


def _missing_blank(word: str, behind: Sequence[Token]) -> str:
    """`moveax` for `mov eax`, `int80h` for `int 80h`, `section.text` for `section .text`."""
    for length in range(len(word) - 1, 1, -1):
        head, tail = word[:length], word[length:]
        directives = tail[0] == "." and head.lower() in DIRECTIVES and tail.lower() in DIRECTIVES
        if directives or (is_mnemonic(head) and (canonical_register(tail) is not None or tail[0] in "0123456789")):
            return f"a blank is missing: `{head} {tail}`"
    return ""


def _misspelt_directive(word: str, behind: Sequence[Token]) -> str:
    if not behind or behind[0].kind not in ("name", "string") or nearest_mnemonics(word.lower()):
        return ""
    near = difflib.get_close_matches(word.lower(), _PLAIN_DIRECTIVES, n=1, cutoff=0.75)
    return f"did you mean `{near[0]}`?" if near else ""


def _missing_colon(word: str, behind: Sequence[Token]) -> str:
    """A name that is defined with a directive behind it, or stands alone on its line."""
    first = _first(behind)
    if first in (".equ", ".set", ".equiv") and len(behind) > 1:
        return f"write `{word} = {behind[1].text}`"
    if behind and ((first in DIRECTIVES and first[0] == ".") or first in MASM_DATA):
        return f"a label ends with a colon: `{word}: {behind[0].text if first[0] == '.' else '.' + first}`"
    if not behind and (word.lower() in _LABELS or not nearest_mnemonics(word.lower())):
        return f"for a label write `{word}:`"
    return ""


_HINTS: tuple[Callable[[str, Sequence[Token]], str], ...] = (
    _of_another_language,
    _att_extension,
    _braces,
    _missing_blank,
    _misspelt_directive,
    _missing_colon,
)
"""Each says a hint or "", in the order in which they are asked."""
