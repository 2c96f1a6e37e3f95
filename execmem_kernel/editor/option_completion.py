"""Completion on the option line of %%asm: options, their values, registers, and Python variables behind `reg=`."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from execmem_kernel.editor.asm_cell import AsmCell
from execmem_kernel.editor.completions import Completion, Completions
from execmem_kernel.editor.names import names_of
from execmem_kernel.editor.register_words import register_sentence
from execmem_kernel.editor.table import Language, Option, language
from execmem_kernel.x86.registers import GENERAL

_WORD = re.compile(r"(?:[^\s\"']|\"(?:[^\"\\]|\\.)*(?:\"|$)|'[^']*(?:'|$))+")
_LANES = 8
"""Doubles that the widest vector register holds."""
_VECTORS = tuple(f"xmm{number}" for number in range(16))
_SPECIAL_NAMES = frozenset(("In", "Out", "exit", "quit", "get_ipython", "open"))
"""What IPython puts among a notebook's variables."""
_EXPECTATIONS = {
    "return": "it returns", "exit": "it asks the system to end it", "timeout": "it runs out of time", "limit": "it reaches another limit",
    "SIGSEGV": "it touches memory that it may not", "SIGBUS": "it touches memory that is not there", "SIGILL": "it meets an invalid instruction",
    "SIGFPE": "it divides by zero, or the quotient does not fit", "SIGTRAP": "it meets a breakpoint", "SIGSYS": "it makes a forbidden system call",
    "SIGABRT": "it aborts itself",
}  # fmt: skip
_SYNTAXES = {"intel": "mov eax, 42", "att": "movl $42, %eax"}
_LIMITS = {
    "cpu=": "seconds of processor time", "steps=": "instructions", "output=": "bytes that it prints", "memory=": "bytes that it asks for",
    "calls=": "system calls", "trace=": "steps that are recorded", "stack=": "bytes of its stack",
}  # fmt: skip


class _Words(NamedTuple):
    """The option line as far as the cursor."""

    before: tuple[str, ...]
    """Whole words."""
    word: str
    """The one being written."""


def complete_options(cell: AsmCell, offset: int, variables: Mapping[str, object]) -> Completions:
    """What can stand at the cursor on the option line.

    Args:
        cell: The cell.
        offset: Where the cursor stands in it.
        variables: The notebook's variables.
    """
    text = cell.text[cell.options_start : offset]
    found = _WORD.findall(text)
    typed = found.pop() if found and not text[-1:].isspace() else ""
    words = _Words(tuple(found), typed)
    table = language()
    fragment, items = _items(cell, words, variables, table)
    return Completions(offset - len(fragment), offset, tuple(items))


def _items(
    cell: AsmCell, words: _Words, variables: Mapping[str, object], table: Language
) -> tuple[str, list[Completion]]:
    """The part of the word that is replaced, and by what."""
    word = words.word
    name, equals, value = word.partition("=")
    if name in table.options and equals:
        return _values(cell, table.options[name], name, value)
    if word.startswith("-"):
        return word, [one for one in _options(words, table) if one.text.startswith(word)]
    previous = words.before[-1] if words.before else ""
    if previous in table.options and table.options[previous].value is not None:
        return _values(cell, table.options[previous], previous, word)
    if equals:
        return value, [one for one in _variables(name.lower(), variables) if one.text.startswith(value)]
    registers = [one for one in _settable(words, table) if one.text.startswith(word.lower())]
    return word, [*registers, *_options(words, table)] if not word else registers


def _options(words: _Words, table: Language) -> Iterator[Completion]:
    for name, option in table.options.items():
        if name not in words.before:
            yield Completion(name, "option", f"{option.help[:1].upper()}{option.help[1:]}.")


def _settable(words: _Words, table: Language) -> Iterator[Completion]:
    given = {word.partition("=")[0].lower() for word in words.before}
    order = ("rdi", "rsi", "rdx", "rcx", "r8", "r9", "rax")
    names = [*order, *(name for name in table.settable if name not in order), *_VECTORS]
    for name in names:
        if name not in given:
            yield Completion(f"{name}=", "register", register_sentence(name))


def _values(cell: AsmCell, option: Option, name: str, typed: str) -> tuple[str, list[Completion]]:
    fragment = typed
    match option.kind:
        case "choice":
            about = _EXPECTATIONS if name == "--expect" else _SYNTAXES
            items = [Completion(value, "value", about.get(value, "")) for value in option.values]
        case "limits":
            fragment = typed.rpartition(",")[2]
            items = [Completion(value, "value", _LIMITS.get(value, "")) for value in option.values]
        case "registers":
            fragment = typed.rpartition(",")[2]
            items = [Completion(value, "register", register_sentence(value)) for value in (*GENERAL, *_VECTORS)]
        case "label":
            items = [
                Completion(one.name, "label", f"Label of line {one.line}.")
                for one in names_of(cell)
                if one.kind == "label" and not one.scope
            ]
        case _:
            items = []
    return fragment, [one for one in items if one.text.lower().startswith(fragment.lower())]


def _variables(register: str, variables: Mapping[str, object]) -> Iterator[Completion]:
    """The variables that a register can be given: numbers, and what becomes memory."""
    vector = register[1:3] == "mm"
    fitting = []
    for name, value in variables.items():
        rank = _fit(value, vector)
        if rank and not name.startswith("_") and name not in _SPECIAL_NAMES:
            fitting.append((rank, name, type(value).__name__))
    for _, name, kind in sorted(fitting):
        yield Completion(name, "variable", f"Python variable: {kind}.")


def _fit(value: object, vector: bool) -> int:
    """1 for what people give such a register most, 2 for what it also takes, 0 for what it does not."""
    if isinstance(value, type) or callable(value):
        return 0
    if isinstance(value, float):
        return int(vector)
    if isinstance(value, str):
        return int(not vector)
    if isinstance(value, (list, tuple)):
        return int(vector and len(value) <= _LANES and all(isinstance(lane, float) for lane in value))
    is_memory = isinstance(value, (bytes, bytearray, memoryview)) or hasattr(value, "__array_interface__")
    if hasattr(type(value), "__index__") or is_memory or _is_buffer(value):
        return 2 if vector else 1
    return 0


def _is_buffer(value: object) -> bool:
    """Whether it is an `array` or one of our own buffers: known by name, so that nothing is imported or copied."""
    kind = type(value)
    return (kind.__module__, kind.__name__) in (
        ("array", "array"),
        ("execmem_kernel.execution.contract.call", "Buffer"),
    )
