"""Second pass: instructions are encoded, and those that depend on addresses again, until no size changes.

Sizes are found first, with every jump short; jumps that do not reach grow until all reach (branch relaxation, in
semantics/layout.py). Then every instruction that depends on an address is encoded where it lies.
"""

from __future__ import annotations

from collections.abc import Sequence

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.encoding.encoder import Encoder
from execmem_kernel.assembly.refusal_report import report_refusal
from execmem_kernel.assembly.semantics.collector import DiagnosticCollector
from execmem_kernel.assembly.semantics.layout import Jump, Layout
from execmem_kernel.assembly.semantics.sections import Fragment
from execmem_kernel.assembly.semantics.symbols import SymbolTable
from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.lowering import build
from execmem_kernel.assembly.syntax.statements import Constant
from execmem_kernel.x86.operands import Encoding, Operation, Refusal, Target

_PASS_LIMIT = 40


class InstructionPass:
    """Gives the code fragments of one source their encodings."""

    def __init__(
        self,
        layout: Layout,
        symbols: SymbolTable,
        collector: DiagnosticCollector,
        rules: DialectRules,
        encoder: Encoder,
    ) -> None:
        self._layout = layout
        self._symbols = symbols
        self._collector = collector
        self._rules = rules
        self._encoder = encoder

    def encode(self, code: Sequence[Fragment]) -> None:
        """Encode every instruction at its address, and lay everything out.

        Raises:
            EncoderLostError: The encoder broke; the text may be right.
            TooManyErrors: Twenty instructions cannot be encoded.
        """
        fixed = [fragment for fragment in code if fragment.operation is not None]
        jumps = _estimate_sizes(code)
        self._layout.lay_out()
        built = [
            fragment
            for fragment in code
            if fragment.operation is None and self._build(fragment) and fragment.form is None
        ]
        self._encode_first([*fixed, *built])
        self._layout.relax(jumps)
        waiting = [fragment for fragment in code if fragment.statement.ready is None and fragment.operation is not None]
        for _ in range(_PASS_LIMIT):
            if not self._encode_at_address(waiting):
                break
            self._layout.relax(jumps)
        for fragment in waiting:
            if fragment.refusal is not None:
                report_refusal(fragment, fragment.refusal, self._collector, self._symbols)

    def _encode_first(self, fragments: Sequence[Fragment]) -> None:
        """Encode all but branches, for their sizes; what depends on no address has its bytes and its errors then."""
        # Lines that are alike were read once, so they share one operation.
        asked = {id(fragment.operation): fragment.operation for fragment in fragments if fragment.operation is not None}
        answers = dict(zip(asked, self._encoder.encode(list(asked.values())), strict=True))
        for fragment in fragments:
            answer = answers[id(fragment.operation)]
            if isinstance(answer, Encoding):
                fragment.encoding = answer
                fragment.size = len(answer.code)
            elif fragment.statement.ready is not None:
                report_refusal(fragment, answer, self._collector, self._symbols)
                fragment.operation = None

    def _encode_at_address(self, fragments: Sequence[Fragment]) -> bool:
        """Encode all that depends on addresses; whether any size came out other than it was taken for."""
        ready = [fragment for fragment in fragments if fragment.operation is not None and self._build(fragment)]
        answers = self._encoder.encode([fragment.operation for fragment in ready if fragment.operation is not None])
        moved = False
        for fragment, answer in zip(ready, answers, strict=True):
            if isinstance(answer, Refusal):
                fragment.refusal = answer
                continue
            fragment.refusal = None
            fragment.encoding = answer
            if len(answer.code) != fragment.size:
                fragment.size = len(answer.code)
                moved = True
        return moved

    def _build(self, fragment: Fragment) -> bool:
        """Lower the statement to an operation in the present layout; False where that is an error."""
        self._symbols.location = fragment
        statement = fragment.statement
        try:
            operation = build(
                statement, self._symbols.evaluate, fragment.address, self._rules, self._symbols.declared_size
            )
        except SourceError as error:
            self._collector.report_error(fragment.line, error.within(statement.start, statement.last))
            fragment.operation = None
            return False
        if fragment.form is not None:
            target = operation.operands[0]
            assert isinstance(target, Target)
            if target.form is None and fragment.limit is None:
                target = Target(target.address, fragment.form)
                operation = Operation(operation.mnemonic, (target,), (), operation.address)
        if self._rules.speaks_nasm and operation.mnemonic == "jmp" and "bnd" in operation.prefixes:
            operation = self._without_bnd(fragment, operation)
        fragment.operation = operation
        return True

    def _without_bnd(self, fragment: Fragment, operation: Operation) -> Operation:
        """`bnd jmp` as NASM has it, which leaves the prefix out where the jump is short, and says so."""
        target, statement = operation.operands[0], fragment.statement
        if not isinstance(target, Target) or target.form == "near":
            return operation
        if not -128 <= target.address - fragment.address - 2 <= 127:
            return operation
        self._collector.warn(
            fragment.line,
            "ASM095",
            "A short jump has no `bnd`: NASM leaves the prefix out.",
            statement.start,
            statement.end,
            "leave it out, or write `bnd jmp near`",
        )
        return operation._replace(prefixes=tuple(prefix for prefix in operation.prefixes if prefix != "bnd"))


def _estimate_sizes(code: Sequence[Fragment]) -> list[Jump]:
    """Give every instruction a size to begin with, in bytes; the jumps that may be short or near."""
    jumps: list[Jump] = []
    for fragment in code:
        if fragment.operation is not None:
            fragment.size = 4
        elif fragment.form is None:
            fragment.size = 7
        elif fragment.form == "near":
            fragment.size = 5
        else:
            value = fragment.statement.operands[0].value
            assert isinstance(value, Constant)
            fragment.size = 2
            jumps.append((fragment, value.value))
    return jumps
