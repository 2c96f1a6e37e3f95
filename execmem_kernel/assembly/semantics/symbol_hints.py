"""A name that nothing defines: the error, with a hint of what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.semantics.sections import Label
from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.expressions import Symbol
from execmem_kernel.assembly.syntax.words import SIZES
from execmem_kernel.program import externs
from execmem_kernel.x86.mnemonics import is_mnemonic
from execmem_kernel.x86.registers import known_registers

_OF_A_MACRO = re.compile(r"(\.\.@[0-9]+\.)(.+)")
"""What a NASM macro's own label is called after it has been made unique."""
_NUMBERED_REGISTER = re.compile(r"(st|k|r|xmm|ymm|zmm|mm)\(?[0-9]{1,3}\)?")
_REGISTER_RANGES = {
    "st": "st(0) to st(7)", "k": "k0 to k7", "r": "r8 to r15", "mm": "mm0 to mm7",
    "xmm": "xmm0 to xmm31", "ymm": "ymm0 to ymm31", "zmm": "zmm0 to zmm31",
}  # fmt: skip
_HEXADECIMAL = re.compile(r"[a-f][0-9a-f]*h|(?=.*[0-9])[a-f][0-9a-f]*")
_RESERVED_WORDS = {
    **dict.fromkeys(("short", "near", "far"), "behind `{}` stands where it goes: a label"),
    **dict.fromkeys(
        ("char", "int", "long", "float", "double"),
        "sizes are byte (8 bits), word (16), dword (32) and qword (64)",
    ),
    **dict.fromkeys(("eflags", "rflags", "flags"), "the flags are read with pushf and pop, written with push and popf"),
}
"""Word that is no name -> what to write instead; `{}` is the word as it was written."""
_COMPARED = 2000
"""Names that are compared with one that is not known: it takes 10 microseconds each."""
_FAMILIAR_REGISTERS = sorted(name for name in known_registers() if name[:2] not in ("cr", "dr", "bn", "tm"))


@dataclass(frozen=True, slots=True)
class KnownNames:
    """What a name that nothing defines is compared with."""

    labels: Collection[str]
    constants: Collection[str]
    dotted_labels: Mapping[str, Sequence[Label]]
    """Labels that begin with a dot, by that name."""
    c_defines: Mapping[str, str]
    """What lines like `#define N 5` say."""
    gnu: bool
    """Whether any of the source is GNU's."""
    uses_externs: bool
    rules: DialectRules

    def comparable(self, name: str) -> list[str]:
        """The names to compare a misspelt one with: all of them, or, where they are many, those of its length."""
        every = [*self.labels, *self.constants, *self.dotted_labels]
        if len(every) > _COMPARED:
            every = [other for other in every if len(other) == len(name) and other[0] == name[0]]
        return every[:_COMPARED]


def unknown_name(tree: Symbol, line: str, known: KnownNames) -> SourceError:
    """The error about a name that nothing defines.

    Args:
        tree: The name, with its columns.
        line: The text of the line that it stands on, or "".
        known: The names that there are.
    """
    name = _OF_A_MACRO.sub(r"%%\2", tree.name)
    hint = next(text for rule in _HINTS if (text := rule(tree, line, known)) is not None)
    return SourceError("ASM040", f"Nothing here is named `{name}`.", tree.start, tree.end, hint)


def _macro_label(tree: Symbol, line: str, known: KnownNames) -> str | None:
    local = _OF_A_MACRO.fullmatch(tree.name)
    if local is None:
        return None
    prefix, name = local.groups()
    same = [other[len(prefix) :] for other in known.labels if other.startswith(prefix)]
    near = difflib.get_close_matches(name, same, n=1, cutoff=0.6)
    return f"did you mean `%%{near[0]}`?" if near else f"define it in the macro with `%%{name}:`"


def _quoted(tree: Symbol, line: str, known: KnownNames) -> str | None:
    if line[tree.start : tree.start + 1] != '"':
        return None
    if len(tree.name) > 1:
        return ""
    return f"to GNU as a text in double quotes is a name; a character is '{tree.name}'"


def _in_a_comment(tree: Symbol, line: str, known: KnownNames) -> str | None:
    """A name in what was to be a comment, had the dialect been another."""
    if "//" in line[: tree.start] and known.rules.double_slash == "division":
        return "to NASM `//` divides; a comment begins with `;`"
    if known.gnu and ";" in line[: tree.start] and not line.lstrip().startswith(tree.name):
        return "in GNU syntax `;` separates statements; a comment begins with `#`"
    return None


def _local_label(tree: Symbol, line: str, known: KnownNames) -> str | None:
    same = known.dotted_labels.get(tree.name)
    return None if same is None else f"each belongs to the label before it: write `{same[0].parent}{tree.name}`"


def _register_number(tree: Symbol, line: str, known: KnownNames) -> str | None:
    found = _NUMBERED_REGISTER.fullmatch(tree.name.lower())
    return None if found is None else f"the registers are {_REGISTER_RANGES[found[1]]}"


def _reserved_word(tree: Symbol, line: str, known: KnownNames) -> str | None:
    hint = _RESERVED_WORDS.get(tree.name.lower())
    return None if hint is None else hint.format(tree.name)


def _c_define(tree: Symbol, line: str, known: KnownNames) -> str | None:
    value = known.c_defines.get(tree.name)
    return None if value is None else f"`#define` is a comment here: write `{tree.name} = {value}`"


def _bare_ptr(tree: Symbol, line: str, known: KnownNames) -> str | None:
    return "behind `ptr` stands an address: qword ptr [rax]" if tree.name.lower() == "ptr" else None


def _misspelt_name(tree: Symbol, line: str, known: KnownNames) -> str | None:
    near = difflib.get_close_matches(tree.name, known.comparable(tree.name), n=2, cutoff=0.6)
    if not near and (known.gnu or known.uses_externs):
        near = difflib.get_close_matches(tree.name, externs.FAMILIAR, n=2, cutoff=0.8)
    near = near or difflib.get_close_matches(tree.name.lower(), SIZES, n=1, cutoff=0.75)
    return f"did you mean {' or '.join(f'`{other}`' for other in near)}?" if near else None


def _instruction(tree: Symbol, line: str, known: KnownNames) -> str | None:
    return "an instruction stands on a line of its own" if is_mnemonic(tree.name) else None


def _bare_hexadecimal(tree: Symbol, line: str, known: KnownNames) -> str | None:
    lowered = tree.name.lower()
    if _HEXADECIMAL.fullmatch(lowered) is None:
        return None
    return f"if a hexadecimal number is meant, write 0x{lowered.rstrip('h')}"


def _misspelt_register(tree: Symbol, line: str, known: KnownNames) -> str | None:
    lowered = tree.name.lower()
    if len(lowered) == 1:
        return None
    # Letters exchanged are the commonest slip.
    exchanged = [register for register in _FAMILIAR_REGISTERS if sorted(register) == sorted(lowered)]
    near = exchanged or difflib.get_close_matches(lowered, _FAMILIAR_REGISTERS, n=2, cutoff=0.6)
    return f"if a register is meant: {' or '.join(near[:2])}?" if near else None


def _undefined(tree: Symbol, line: str, known: KnownNames) -> str:
    if tree.name[0] == "." and len(tree.name) > 1:
        return f"define it with `{tree.name}:`"
    if tree.name in externs.FAMILIAR:
        return f"write `extern {tree.name}` above to use the C library's, or define it with `{tree.name}:`"
    return f"define it with `{tree.name}:` in this cell: every cell is a program of its own"


_HINTS: tuple[Callable[[Symbol, str, KnownNames], str | None], ...] = (
    _macro_label,
    _quoted,
    _in_a_comment,
    _local_label,
    _register_number,
    _reserved_word,
    _c_define,
    _bare_ptr,
    _misspelt_name,
    _instruction,
    _bare_hexadecimal,
    _misspelt_register,
    _undefined,
)
"""Each says a hint, "" for none at all, or None to leave it to the next."""
