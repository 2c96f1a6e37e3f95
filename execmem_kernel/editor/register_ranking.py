"""Which of the registers that fit is meant: what the lines above have done to each of them.

What was just computed is read next; what waits to be read is not computed again; what was pushed last is popped first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from execmem_kernel.editor.asm_cell import AsmCell
from execmem_kernel.editor.context import CursorContext, Piece, pieces_of
from execmem_kernel.editor.operand_fit import shape_of_operand
from execmem_kernel.editor.table import examples, language
from execmem_kernel.x86.registers import PARTS, canonical_register, register_class

_FAMILIES = ("r64", "r32", "xmm", "ymm", "zmm", "r16", "r8", "k", "mm", "st", "sreg", "cr", "dr", "bnd", "tmm", "ip")
_ORDER = (
    "rax", "rdi", "rsi", "rdx", "rcx", "rbx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rbp", "rsp"
)  # fmt: skip
"""General registers as functions use them: the result, the arguments, the others, the frame."""
_SAME = frozenset(("xor", "test", "pxor", "xorps", "xorpd", "vpxor", "vxorps"))
"""Instructions whose operands are often the same register: to make it zero, to look at it."""
_LOADS = re.compile(r"mov|lea|xor|pop|cvt|set|cmov|imul$")
"""How instructions begin whose destination is new."""
_ONLY_READS = re.compile(r"cmp|test|push|j|call|bt$|u?comis")
_PLAIN_LABEL = re.compile(r"[ \t]*[A-Za-z_][\w$]*:")
_LINES = 40
_NEAR = 10


@dataclass(slots=True)
class RegisterHistory:
    """What the lines above the cursor have done to registers."""

    last: dict[str, int] = field(default_factory=dict)
    """Whole register -> how many statements ago it was named."""
    pending: set[str] = field(default_factory=set)
    """Those that were written and not read since."""
    pushed: list[str] = field(default_factory=list)
    """Those that are on the stack, the last pushed at the end."""
    mnemonic: str = ""
    """Of the statement above."""
    frame: bool = False
    """Whether the statement above is `push rbp`."""
    room: bool = False
    """Whether rsp was lowered and not raised since."""
    statements: int = 0
    """How many instructions stand above, since the last plain label."""


def history_of(cell: AsmCell, context: CursorContext) -> RegisterHistory:
    """What the lines above the cursor have done to registers.

    Args:
        cell: The cell.
        context: What is around the cursor.
    """
    history = RegisterHistory()
    first = max(0, context.line - 1 - _LINES)
    for line in cell.lines[first : context.line - 1]:
        pieces = [piece for piece in pieces_of(line, cell.rules, context.syntax) if piece.kind != "comment"]
        while len(pieces) > 1 and pieces[1].text == ":":
            history.statements = 0 if not pieces[0].text.startswith(".") else history.statements
            pieces = pieces[2:]
        if pieces and pieces[0].kind == "word" and _is_instruction(pieces[0].text.lower()):
            _note(history, pieces, context)
    if _PLAIN_LABEL.match(cell.lines[context.line - 1]) is not None:
        history.statements = 0
    return history


def _is_instruction(word: str) -> bool:
    return word in examples() or word in language().att_mnemonics


def whole_of(name: str) -> str:
    """The register that a part belongs to, by its canonical name."""
    return PARTS[name][0] if name in PARTS else name


def _note(history: RegisterHistory, pieces: Sequence[Piece], context: CursorContext) -> None:
    """Take a statement into the history."""
    mnemonic = pieces[0].text.lower()
    named = [canonical_register(piece.text.lstrip("%")) for piece in pieces[1:]]
    wholes = [whole_of(name) for name in named if name is not None]
    destination = _destination(pieces[1:], context)
    history.last = {name: age + 1 for name, age in history.last.items()}
    history.statements += 1
    if mnemonic.startswith(("syscall", "call")):
        history.pending.clear()
    for name in wholes:
        history.last[name] = 1
    read = wholes if _ONLY_READS.match(mnemonic) else [name for name in wholes if name != destination]
    history.pending -= set(read)
    if destination and not _ONLY_READS.match(mnemonic):
        history.pending.add(destination)
    if mnemonic.startswith("push") and wholes:
        history.pushed.append(wholes[0])
    elif mnemonic.startswith("pop") and history.pushed:
        history.pushed.pop()
    if destination == "rsp":
        history.room = mnemonic.startswith("sub")
    history.frame = mnemonic.startswith("push") and wholes == ["rbp"]
    history.mnemonic = mnemonic


def _destination(pieces: Sequence[Piece], context: CursorContext) -> str:
    """The register that a statement writes: its first operand, in AT&T syntax its last."""
    operand: list[Piece] = []
    depth = 0
    for piece in pieces:
        depth += (piece.text in "([{") - (piece.text in ")]}") if len(piece.text) == 1 else 0
        if piece.text == "," and depth == 0:
            if context.syntax == "intel":
                break
            operand = []
        else:
            operand.append(piece)
    name = shape_of_operand(operand, context.syntax).register
    return whole_of(name) if name else ""


def rank_register(name: str, context: CursorContext, history: RegisterHistory) -> tuple[float, ...]:
    """The place of a register among those that fit; the smallest comes first.

    Args:
        name: Its canonical name.
        context: What is around the cursor.
        history: What the lines above have done.
    """
    family = register_class(name)
    whole = whole_of(name)
    number = re.search(r"[0-9]+", name)
    order: float = _ORDER.index(whole) if whole in _ORDER else int(number[0]) if number is not None else 0
    rare = 2 * (family in ("sreg", "cr", "dr")) + (name in ("ah", "bh", "ch", "dh"))
    return (rare, order + _by_use(name, whole, context, history), _FAMILIES.index(family), order)


def _by_use(name: str, whole: str, context: CursorContext, history: RegisterHistory) -> float:
    """What a register wins (below zero) or loses."""
    head = context.head
    same = _other_register(context)
    idiom = _idiom(whole, context, history)
    if idiom:
        return idiom
    if same == name and not context.bracket:
        return -100 if head in _SAME or head.rstrip("bwlq") in _SAME else 8
    age = history.last.get(whole, _NEAR)
    if _is_fresh_destination(context):
        return 8 if whole in history.pending else -0.1 * (_NEAR - min(age, _NEAR))
    return -1.5 * (_NEAR - min(age, _NEAR)) - 6 * (whole in history.pending)


def _idiom(whole: str, context: CursorContext, history: RegisterHistory) -> float:
    """The lines that every function has: a frame, room on the stack, what was pushed popped again."""
    head = context.head
    if head.startswith("pop") and history.pushed:
        return -100 if history.pushed[-1] == whole else 0
    if head.startswith("push") and whole == "rbp" and not history.statements:
        return -14
    if head.startswith("mov") and history.frame:
        source = (context.operand == 0) == (context.syntax == "att")
        return -100 if whole == ("rsp" if source else "rbp") and not context.bracket else 0
    destination = context.operand == (len(context.operands) - 1 if context.syntax == "att" else 0)
    begins = not history.statements or (history.mnemonic.startswith(("push", "mov")) and history.frame)
    if whole == "rsp" and destination and not context.bracket:
        if head.startswith("sub"):
            return -14 if not begins else -100
        if head.startswith("add") and history.room:
            return -14
    return 0


def _is_fresh_destination(context: CursorContext) -> bool:
    """Whether the operand is written without having been read."""
    if context.bracket or not _LOADS.match(context.head):
        return False
    three = context.head.startswith("imul")  # only with three operands is its destination not read
    if context.syntax == "att":
        return context.operand > (1 if three else 0)
    return context.operand == 0 and not (three and len(context.operands) < 3)


def _other_register(context: CursorContext) -> str:
    """The register of the operand before the one with the cursor."""
    if not 0 < context.operand <= len(context.operands):
        return ""
    return shape_of_operand(context.operands[context.operand - 1], context.syntax).register
