"""A refusal of the encoder as a diagnostic: in the source's spelling, at the columns of the operand it blames."""

from __future__ import annotations

from dataclasses import replace

from execmem_kernel.assembly.diagnostics.att_wording import in_att_syntax
from execmem_kernel.assembly.diagnostics.hints import wrong_operand_count_in_line
from execmem_kernel.assembly.semantics.collector import DiagnosticCollector
from execmem_kernel.assembly.semantics.sections import Fragment
from execmem_kernel.assembly.semantics.word_hints import unknown_word
from execmem_kernel.x86.operands import Refusal


def report_refusal(fragment: Fragment, refusal: Refusal, collector: DiagnosticCollector) -> None:
    """Report why a statement has no bytes.

    Args:
        fragment: What the statement was to make.
        refusal: Why it cannot.
        collector: What takes the error.

    Raises:
        TooManyErrors: It was the twentieth error.
    """
    statement, text = fragment.statement, fragment.line.text
    start, end = statement.start, statement.end
    if refusal.code == "ASM100":
        refusal = _about_unknown_word(fragment, refusal, collector)
    if statement.att:
        pieces = sorted(statement.operands, key=lambda piece: piece.start)
        refusal = in_att_syntax(refusal, [text[piece.start : piece.end] for piece in pieces], text[start:end])
    if refusal.operand is not None:
        if 0 <= refusal.operand < len(statement.operands):
            blamed = statement.operands[refusal.operand]
            start, end = blamed.start, blamed.end
        elif statement.operands:
            end = max(piece.end for piece in statement.operands)
    hint = refusal.hint
    if refusal.code == "ASM104":
        hint = wrong_operand_count_in_line(text, start, end) or hint
    collector.report("error", fragment.line, refusal.code, refusal.message, start, end, hint, refusal.forms)


def _about_unknown_word(fragment: Fragment, refusal: Refusal, collector: DiagnosticCollector) -> Refusal:
    """A word that is no instruction, spelt as in the source; a label without its colon where something names it."""
    statement = fragment.statement
    if any(line.text[error.start : error.end].lower() == statement.name for line, error in collector.cascading):
        return replace(refusal, hint=f"for a label write `{statement.name}:`")
    word = fragment.line.text[statement.start : statement.end]
    return replace(
        refusal,
        message=refusal.message.replace(f"`{statement.name}`", f"`{word}`"),
        hint=unknown_word(word, statement.tokens) or refusal.hint,
    )
