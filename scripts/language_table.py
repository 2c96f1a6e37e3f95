"""Write the tables that every editor reads, from the tables of the assembler, of `explain` and of the magics.

    python scripts/language_table.py            write execmem_kernel/editor/*.json
    python scripts/language_table.py --check    exit status 1 if they are not what the tables say

language.json: words, patterns and options of `%%asm`. mnemonics.json: an example of each mnemonic, and what it does.

The kernel's completion, the CodeMirror mode and the TextMate grammar are made from that file, so a word that the
assembler learns is coloured and completed everywhere. Patterns are written in what JavaScript, Python and Oniguruma
have in common: no possessive quantifiers, no named groups, no look-behind. All are meant to ignore case but `comment`.
"""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.preprocessor import expander, messages
from execmem_kernel.assembly.syntax import dialect_detection
from execmem_kernel.assembly.syntax.directives import (
    DIRECTIVES,
    LINE_DIRECTIVES,
    MASM_DATA,
    NEEDS_NO_NAME,
)
from execmem_kernel.assembly.syntax.words import BROADCASTS, KEYWORDS, PREFIXES, ROUNDINGS, SIZES
from execmem_kernel.errors import AssemblyError
from execmem_kernel.explain.explain import explain
from execmem_kernel.magics import options
from execmem_kernel.magics.commands import COMMANDS
from execmem_kernel.magics.values import settable
from execmem_kernel.x86.disassembler import disassemble
from execmem_kernel.x86.forms import Form, Slot, forms_of
from execmem_kernel.x86.mnemonics import known_mnemonics, resolve
from execmem_kernel.x86.operands import SIZE_NAMES
from execmem_kernel.x86.registers import (
    CLASS_MEMBERS,
    GENERAL,
    HIGH_BYTE_REGISTERS,
    PARTS,
    REGISTER_SIZES,
    register_class,
)

EDITOR = Path(__file__).parent.parent / "execmem_kernel" / "editor"

_MASM_WORDS = (
    ".code .data .data? .const .model .stack .386 .486 .586 .686 .x64 .xmm "
    "proc endp ends end proto public extrn externdef segment equ align org option assume title includelib "
    "db dw dd dq dt"
)
"""Directives that MASM has too. Source: Microsoft's MASM reference, "Directives reference"."""


def _register_order(name: str) -> tuple[int, int, str]:
    """As they are counted: rax before r8, xmm2 before xmm10."""
    whole = PARTS[name][0] if name in PARTS else name
    number = re.search(r"[0-9]+", name)
    high = name in HIGH_BYTE_REGISTERS
    return (100 * high + (GENERAL.index(whole) if whole in GENERAL else 99), int(number[0]) if number else 0, name)


def _registers() -> dict[str, list[str]]:
    families = {family: sorted(members, key=_register_order) for family, members in CLASS_MEMBERS.items()}
    order = ("r64", "r32", "r16", "r8", "xmm", "ymm", "zmm", "k", "mm", "st", "sreg", "ip", "cr", "dr", "bnd", "tmm")
    assert set(order) == set(families)
    return {family: families[family] for family in order}


def _words(names: Any) -> list[str]:
    return sorted(names)


def _portable(pattern: str) -> str:
    """The same pattern without possessive quantifiers, which JavaScript has not: here they only save time."""
    return re.sub(r"(?<!\\)([*+?])\+", r"\1", pattern)


def _att_mnemonics(known: frozenset[str]) -> list[str]:
    """The spellings that only AT&T syntax has: size letters (movl, addq, flds) and extensions (movzbl)."""
    found = {f"{name}{letter}" for name in known for letter in "bwlqxyz"}
    found = {name for name in found if resolve(name) is not None}
    found |= {f"mov{kind}{pair}" for kind in "zs" for pair in ("bw", "bl", "bq", "wl", "wq")} | {"movslq"}
    found |= {f"movabs{letter}" for letter in "bwlq"} | {f"clr{letter}" for letter in ("", *"bwlq")}
    for stem in ["fld", "fst", "fstp", "fadd", "fsub", "fsubr", "fmul", "fdiv", "fdivr", "fcom", "fcomp"]:
        found |= {f"{stem}{letter}" for letter in "slt"[: 3 if stem in ("fld", "fstp") else 2]}
    for stem in [
        "fild",
        "fist",
        "fistp",
        "fisttp",
        "fiadd",
        "fisub",
        "fisubr",
        "fimul",
        "fidiv",
        "fidivr",
        "ficom",
        "ficomp",
    ]:
        letters = ("s", "l", "q", "ll") if stem in ("fild", "fistp", "fisttp") else ("s", "l")
        found |= {f"{stem}{letter}" for letter in letters}
    conversions = [f"cvt{way}" for way in ("sd2si", "ss2si", "tsd2si", "tss2si", "si2sd", "si2ss")]
    found |= {f"{v}{name}{letter}" for v in ("", "v") for name in conversions for letter in "lq"}
    return sorted(found - known)


def _options() -> dict[str, Any]:
    values = {
        "--expect": list(options.EXPECTATIONS),
        "--limit": [f"{name}=" for name in options.LIMITS],
        "--syntax": ["intel", "att"],
    }
    kinds = {
        "--entry": "label",
        "--show": "registers",
        "--name": "new name",
        "--seed": "number",
        "--iterations": "number",
    }
    kinds |= {
        "--timeout": "seconds",
        "--stdin": "text",
        "--args": "text",
        "--function": "prototype",
        "--limit": "limits",
    }
    table: dict[str, Any] = {}
    for action in options._parser()._actions:
        for name in action.option_strings:
            takes_value = action.nargs != 0
            table[name] = {"help": action.help or "", "value": action.metavar or "" if takes_value else None}
            if takes_value:
                table[name]["kind"] = kinds.get(name, "choice")
                table[name]["value"] = action.metavar or "|".join(action.choices or ())
            if name in values:
                table[name]["values"] = values[name]
    return table


def language() -> dict[str, Any]:
    """The table, from the tables of the assembler and of the magics."""
    known = known_mnemonics()
    registers = _registers()
    aliases = ["st", *(f"st{n}" for n in range(8)), *(f"r{n}l" for n in range(8, 16)), *(f"db{n}" for n in range(16))]
    names = sorted({*REGISTER_SIZES, *aliases}, key=lambda name: (-len(name), name))
    refused = messages.DIRECTIVES["%push"]
    preprocessor = {name for name, handler in expander._DIRECTIVES.items() if handler is not refused}
    gnu_lines = {*LINE_DIRECTIVES, *(name for name in preprocessor if name.startswith("."))}
    masm = {*_MASM_WORDS.split(), *MASM_DATA}
    return {
        "about": "Written by scripts/language_table.py from the assembler's tables; case is ignored.",
        "magic": r"^\s*%%asm(?=\s|$)",
        "mnemonics": _words(known),
        "att_mnemonics": _att_mnemonics(known),
        "prefixes": _words(PREFIXES),
        "registers": registers,
        "register_aliases": aliases,
        "sizes": dict(sorted(SIZES.items())),
        "keywords": _words(KEYWORDS),
        "decorations": _words(["z", *ROUNDINGS, *BROADCASTS, "vex", "vex2", "vex3", "evex", "load", "store"]),
        "directives": {
            "gnu": _words({*(name for name in DIRECTIVES if name.startswith(".")), *gnu_lines}),
            "nasm": _words(name for name in DIRECTIVES if not name.startswith(".")),
            "nasm_preprocessor": _words(name for name in preprocessor if name.startswith("%")),
            "masm": _words(masm),
            "gnu_prefixes": [".cfi_", ".seh_", ".debug_", ".def", ".endef"],
        },
        "names_before": _words({*NEEDS_NO_NAME, *MASM_DATA}),
        "comments": {
            "undeclared": {"line": [";", "#", "//"], "block": ["/*", "*/"], "separator": None},
            "nasm": {"line": [";", "#"], "block": ["/*", "*/"], "separator": None},
            "gnu": {"line": ["#", "//"], "block": ["/*", "*/"], "separator": ";"},
            "masm": {"line": [";", "#", "//"], "block": ["/*", "*/"], "separator": None},
            "toggle": {"masm": ";", "undeclared": ";", "nasm": ";", "gnu": "#", "att": "#"},
        },
        "dialects": {
            # As `dialect_of` tells them; a match of gnu_directive counts where its group 1 begins no statement.
            "nasm_preprocessor": _portable(dialect_detection._NASM_PREPROCESSOR.pattern),
            "nasm_alone": _portable(dialect_detection._NASM_ALONE.pattern),
            "nasm_word": _portable(dialect_detection._NASM_WORD.pattern),
            "gnu_word": _portable(dialect_detection._GNU_WORD.pattern),
            "gnu_section": _portable(dialect_detection._GNU_SECTION.pattern),
            "gnu_directive": _portable(dialect_detection._GNU_DIRECTIVE.pattern),
            "masm_word": _portable(dialect_detection._MASM_WORD.pattern),
            # Nearly the same for who has no group to look into: NASM unless one of not_nasm matches too.
            "nasm": [
                _portable(dialect_detection._NASM_PREPROCESSOR.pattern),
                _portable(dialect_detection._NASM_WORD.pattern),
            ],
            "gnu": [_portable(dialect_detection._GNU_WORD.pattern)],
            "not_nasm": [
                _portable(dialect_detection._GNU_SECTION.pattern),
                _portable(dialect_detection._GNU_DIRECTIVE.pattern),
            ],
        },
        "patterns": {
            "name": r"[A-Za-z_.@?][A-Za-z0-9_.@?$]*",
            "label": r"(?:\$?[A-Za-z_.@?][A-Za-z0-9_.@?$]*|[0-9]+)[ \t]*:(?![:=])",
            "number": (
                r"(?:0x[0-9a-f_]+|(?:[0-9]+\.[0-9]*(?:e[+-]?[0-9]+)?|[0-9]+e[+-]?[0-9]+)|0[by][01_]+"
                r"|0[oq][0-7_]+|0[dt][0-9_]+|[0-9][0-9a-f_]*h|[01][01_]*[by]|[0-7][0-7_]*[oq]|[0-9][0-9_]*[dt]?)"
                r"(?![A-Za-z0-9_.@?$])"
            ),
            "local_reference": r"[0-9]{1,9}[bf](?![A-Za-z0-9_.@?$])",
            "string": {
                "undeclared": r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`",
                "nasm": r"\"[^\"]*\"|'[^']*'|`(?:[^`\\]|\\.)*`",
                "masm": r"\"[^\"]*\"|'[^']*'",
                "gnu": r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|'(?:\\.|[^'\\])",
            },
            "open_string": r"\"(?:[^\"\\]|\\.)*|'(?:[^'\\]|\\.)*|`(?:[^`\\]|\\.)*",
            "register": "(?:" + "|".join(map(re.escape, names)) + r")(?![A-Za-z0-9_.@?$])",
            "decoration": r"\{[ \t]*%?[A-Za-z0-9_-]+[ \t]*\}",
            "operator": r"<<|>>|<=|>=|==|!=|<>|&&|\|\||\$\$|%%|[-+*/%&|^~!()\[\],:=<>$\\{}]",
            "macro_argument": r"%(?:%|[0-9]+|\{[^}]*\})|\\[A-Za-z_@()][A-Za-z0-9_]*",
        },
        "options": _options(),
        "settable": {
            "general": [name for name in GENERAL if name in settable()],
            "vector": "[xyz]mm([12]?[0-9]|3[01])|k[0-7]",
        },
        "commands": {name: about for name, (_, about) in COMMANDS.items()},
    }


# ---- examples --------------------------------------------------------------------------------------------------------

_EXAMPLES = {
    "call": "call there", "jmp": "jmp there", "lea": "lea rax, [rdi + rsi*4]", "imul": "imul rax, rbx", "mul": "mul rbx",
    "div": "div rbx", "idiv": "idiv rbx", "cmpxchg": "cmpxchg [rdi], rbx", "int": "int 0x80", "enter": "enter 16, 0",
    "nop": "nop", "movd": "movd xmm0, eax", "movq": "movq xmm0, rax", "fadd": "fadd st0, st1", "test": "test rax, rax",
    "xor": "xor eax, eax", "mov": "mov rax, rbx", "movabs": "movabs rax, 0x123456789abcdef0", "out": "out 0x80, al",
    "in": "in al, 0x60", "fld": "fld qword ptr [rdi]", "fstp": "fstp qword ptr [rdi]", "movzx": "movzx eax, byte ptr [rdi]",
    "movsx": "movsx rax, byte ptr [rdi]", "aeskeygenassist": "aeskeygenassist xmm0, xmm1, 1", "bt": "bt rax, 3",
}  # fmt: skip
"""Where the first form of the tables is not the one that people write."""
_NAMED = {
    "r64": "rax rbx rcx rdx", "r32": "eax ebx ecx edx", "xmm": "xmm0 xmm1 xmm2 xmm3", "ymm": "ymm0 ymm1 ymm2 ymm3",
    "zmm": "zmm0 zmm1 zmm2 zmm3", "k": "k1 k2 k3 k4", "r16": "ax bx cx dx", "r8": "al bl cl dl", "mm": "mm0 mm1 mm2 mm3",
    "st": "st0 st1 st2 st3", "sreg": "ds es fs gs", "cr": "cr0 cr2 cr3 cr4", "dr": "dr0 dr1 dr2 dr3",
    "bnd": "bnd0 bnd1 bnd2 bnd3", "tmm": "tmm0 tmm1 tmm2 tmm3",
}  # fmt: skip
"""Class of registers, those that people use most first -> which stand as the first operand, the second, ..."""


def _operand(form: Form, slot: Slot, index: int) -> str | None:
    """What an example has in a slot; None for an operand that nobody writes."""
    if len(slot.registers) == 1:
        return next(iter(slot.registers))
    if slot.registers:
        return _NAMED[register_class(min(slot.registers))].split()[index]
    if slot.memory.startswith("vsib"):
        return f"[rdi + {slot.memory[5:]}3*4]"
    if slot.memory == "implied":
        return None
    if slot.memory:
        size = SIZE_NAMES.get(form.memory_size)
        return "[0x1000]" if slot.memory == "moffs" else f"{size} ptr [rdi]" if size else "[rdi]"
    if slot.immediate:
        return "1" if index == 0 else str(min(3, slot.high))
    return "there"


def _familiar(form: Form) -> tuple[Any, ...]:
    """How soon people meet a form: no AVX-512, wide general registers, none that is prescribed."""
    kinds = list(_NAMED)
    order = [
        kinds.index(register_class(min(slot.registers))) + 3 * (len(slot.registers) == 1)
        if slot.registers
        else 12
        if slot.memory
        else 4
        for slot in form.slots
    ]
    return form.is_evex, max(order, default=0), order


def _attempts(name: str) -> Iterator[str]:
    if name in _EXAMPLES:
        yield _EXAMPLES[name]
    meant = resolve(name)
    for form in sorted(forms_of(meant.mnemonic if meant is not None else name), key=_familiar):
        operands = [_operand(form, slot, index) for index, slot in enumerate(form.slots)]
        if meant is not None and meant.predicate is not None:
            operands.pop()
        given = [operand for operand in operands if operand is not None]
        yield f"{name} {', '.join(given)}".rstrip()
        if form.is_evex and given:
            yield f"{name} {', '.join([given[0] + ' {k1}', *given[1:]])}"
    yield name


def _example(name: str) -> tuple[str, str] | None:
    """An example that assembles as it stands, and what it does; None where the word alone is no instruction."""
    for text in _attempts(name):
        source = f"{text}\nthere: ret" if "there" in text else text
        try:
            program = assemble(source)
        except AssemblyError:
            continue
        return source, explain(disassemble(program.listing[0].code, program.address, program.labels)[0])
    return None


def mnemonics() -> dict[str, list[str]]:
    """Mnemonic -> an example and its sentence."""
    found = {name: _example(name) for name in sorted(known_mnemonics())}
    return {name: list(example) for name, example in found.items() if example is not None}


# ---- files -----------------------------------------------------------------------------------------------------------


def _in_one_line(found: re.Match[str]) -> str:
    """A list in one line; what is no list stays."""
    return found[0] if found[1] is None else "[" + re.sub(r"\s*\n\s*", " ", found[1]) + "]"


def texts() -> dict[str, str]:
    """File name -> what it has to hold: lists in one line each, so that a difference is a line."""
    language_text = json.dumps(language(), indent=1, ensure_ascii=False)
    # A text is matched first and left as it is: brackets in a pattern are no list.
    text, item = r'"(?:[^"\\]|\\.)*"', r'(?:[^\[\]{}"]|"(?:[^"\\]|\\.)*")'
    language_text = re.sub(rf"{text}|\[\s*({item}*?)\s*\]", _in_one_line, language_text)
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in mnemonics().items())
    return {"language.json": language_text + "\n", "mnemonics.json": f"{{\n{rows}\n}}\n"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    for name, text in texts().items():
        if not check:
            (EDITOR / name).write_text(text)
        elif (EDITOR / name).read_text() != text:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
