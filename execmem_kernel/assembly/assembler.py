"""Source text to `Program`, or every diagnostic at once.

    text --macros--> lines --Reader--> fragments in sections --Layout, Encoder--> bytes --listing--> Program

Sizes are found first, with every jump short; jumps that do not reach grow until all reach. Then every fragment that
depends on an address is encoded where it lies.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import lru_cache

from execmem_kernel.assembly.diagnostics import hints
from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.encoding.encoder import Encoder, default_encoder
from execmem_kernel.assembly.listing import finished
from execmem_kernel.assembly.semantics import word_hints
from execmem_kernel.assembly.semantics.collector import DiagnosticCollector, TooManyErrors
from execmem_kernel.assembly.semantics.layout import Jump, Layout
from execmem_kernel.assembly.semantics.lint import check_constants, check_flow, check_globals, check_unused
from execmem_kernel.assembly.semantics.numbers import fitted
from execmem_kernel.assembly.semantics.sections import SIZE_LIMIT, Fragment, Sections
from execmem_kernel.assembly.semantics.statement_reader import StatementReader
from execmem_kernel.assembly.semantics.symbols import SymbolTable
from execmem_kernel.assembly.syntax.dialect_detection import dialect_of, is_compiled
from execmem_kernel.assembly.syntax.lines import continued, lines_of
from execmem_kernel.assembly.syntax.lowering import build
from execmem_kernel.assembly.syntax.statements import Constant
from execmem_kernel.assembly.syntax.words import Syntax
from execmem_kernel.errors import AssemblyError
from execmem_kernel.program.program import CODE_ADDRESS, Program
from execmem_kernel.x86.operands import Encoding, Operation, Refusal, Target

SOURCE_LIMIT = 4 << 20
_PASS_LIMIT = 40


def assemble(source: str, syntax: Syntax = "intel", address: int | None = None) -> Program:
    """Assemble a whole source text.

    Args:
        source: Statements in Intel syntax as GNU as, NASM or MASM spell it, or in AT&T syntax.
        syntax: Which of the two to begin with; `.att_syntax` and `.intel_syntax` switch.
        address: Where the code is to start; `CODE_ADDRESS` unless asked otherwise.

    Raises:
        AssemblyError: With every error found, at most 20.
        EncoderLostError: The encoder broke; the text may be right.
    """
    if not isinstance(source, str):
        raise TypeError(f"the source is text, not {type(source).__name__}")
    if address is not None and not isinstance(address, int):
        raise TypeError(f"the address is a whole number, not {address!r}")
    if syntax not in ("intel", "att"):
        raise ValueError(f'syntax is "intel" or "att", not {syntax!r}')
    return _assemble(source, syntax, CODE_ADDRESS if address is None else address)


@lru_cache(maxsize=64)
def _assemble(source: str, syntax: Syntax, address: int) -> Program:
    return Assembly(source, syntax, address, default_encoder()).program()


class Assembly:
    """One source text on its way to a program."""

    def __init__(self, source: str, syntax: Syntax, address: int, encoder: Encoder) -> None:
        self._source = source
        self._syntax: Syntax = syntax
        self._address = address
        self._encoder = encoder
        self._lines = lines_of(source)
        self._rules = dialect_of("\n".join(line.text for line in self._lines))
        if self._rules.joins_lines:
            self._lines = continued(self._lines)
        self._collector = DiagnosticCollector(nasm=self._rules.speaks_nasm)
        self._sections = Sections()
        self._compiled = is_compiled(source)
        self._symbols = SymbolTable(self._sections, self._collector, self._rules, address, compiled=self._compiled)
        self._layout = Layout(self._sections, self._symbols, self._collector, address)

    def program(self) -> Program:
        """Everything, in order; raises AssemblyError when any of it went wrong."""
        collector = self._collector
        try:
            if len(self._source) > SOURCE_LIMIT:
                collector.report_error(self._lines[0], SourceError("ASM064", "The source is larger than 4 MiB.", 0, 1))
                raise TooManyErrors
            StatementReader(self._lines, self._syntax, self._rules, self._sections, self._symbols, collector).read()
            self._encode()
            self._check()
        except TooManyErrors:
            pass
        except RecursionError:
            # Constants that stand for long expressions of constants that stand for long expressions.
            self._nested_too_deep()
        if not collector.error_count:
            for line, error in collector.cascading:
                collector.report_error(line, error, cascading=True)
        if collector.error_count:
            raise AssemblyError([found for found in collector.in_order() if found.severity == "error"])
        check_flow(self._sections, self._symbols, collector)
        check_unused(self._sections, self._symbols, collector)
        return finished(
            self._source,
            self._syntax,
            self._address,
            self._sections,
            self._symbols,
            collector.in_order(),
            compiled=self._compiled,
        )

    def _nested_too_deep(self) -> None:
        line = self._symbols.location.line if self._symbols.location is not None else self._lines[0]
        error = SourceError("ASM016", "The constants used here are nested too deep.", 0, line.text_end)
        with contextlib.suppress(TooManyErrors):
            self._collector.report_error(line, error)

    def _encode(self) -> None:
        code = [fragment for section in self._sections for fragment in section.fragments if fragment.kind == "code"]
        fixed = [fragment for fragment in code if fragment.operation is not None]
        jumps: list[Jump] = []
        for fragment in code:
            if fragment.operation is not None:
                fragment.size = 4
            elif fragment.form is not None:
                value = fragment.statement.operands[0].value
                assert isinstance(value, Constant)
                if fragment.form == "near":
                    fragment.size = 5
                else:
                    fragment.size = 2
                    jumps.append((fragment, value.value))
            else:
                fragment.size = 7
        self._layout.lay_out()
        built: list[Fragment] = []
        for fragment in code:
            if fragment.operation is None and self._build(fragment) and fragment.form is None:
                built.append(fragment)
        # Lines that are alike were read once, so they share one operation.
        asked = {
            id(fragment.operation): fragment.operation
            for fragment in (*fixed, *built)
            if fragment.operation is not None
        }
        answers = dict(zip(asked, self._encoder.encode(list(asked.values())), strict=True))
        for fragment in (*fixed, *built):
            answer = answers[id(fragment.operation)]
            if isinstance(answer, Encoding):
                fragment.encoding = answer
                fragment.size = len(answer.code)
            elif fragment.statement.ready is not None:
                self._refuse(fragment, answer)
                fragment.operation = None
        self._layout.relax(jumps)
        waiting = [fragment for fragment in code if fragment.statement.ready is None and fragment.operation is not None]
        for _ in range(_PASS_LIMIT):
            if not self._encode_where_it_lies(waiting):
                break
            self._layout.relax(jumps)
        for fragment in waiting:
            if fragment.refusal is not None:
                self._refuse(fragment, fragment.refusal)

    def _build(self, fragment: Fragment) -> bool:
        self._symbols.location = fragment
        try:
            operation = build(fragment.statement, self._symbols.evaluate, fragment.address, self._rules)
        except SourceError as error:
            if error.start == error.end:
                statement = fragment.statement
                error = SourceError(error.code, error.message, statement.start, statement.last, error.hint)
            self._collector.report_error(fragment.line, error)
            fragment.operation = None
            return False
        if fragment.form is not None:
            target = operation.operands[0]
            assert isinstance(target, Target)
            if target.form is None and fragment.limit is None:
                operation = Operation(
                    operation.mnemonic, (Target(target.address, fragment.form),), (), operation.address
                )
        fragment.operation = operation
        return True

    def _encode_where_it_lies(self, fragments: list[Fragment]) -> bool:
        """Encode all that depends on addresses; whether any size came out larger than it was taken for."""
        ready = [fragment for fragment in fragments if fragment.operation is not None and self._build(fragment)]
        answers = self._encoder.encode([fragment.operation for fragment in ready if fragment.operation is not None])
        grown = False
        for fragment, answer in zip(ready, answers, strict=True):
            if isinstance(answer, Refusal):
                fragment.refusal = answer
                continue
            fragment.refusal = None
            fragment.encoding = answer
            if len(answer.code) != fragment.size:
                fragment.size = len(answer.code)
                grown = True
        return grown

    def _refuse(self, fragment: Fragment, refusal: Refusal) -> None:
        """A refusal of the encoder, with the columns of the operand it blames."""
        statement = fragment.statement
        start, end = statement.start, statement.end
        operands = statement.operands
        if refusal.code == "ASM100" and any(
            name.text[bad.start : bad.end].lower() == statement.name for name, bad in self._collector.cascading
        ):
            refusal = replace(refusal, hint=f"for a label write `{statement.name}:`")
        elif refusal.code == "ASM100":
            word = fragment.line.text[start:end]
            refusal = replace(
                refusal,
                message=refusal.message.replace(f"`{statement.name}`", f"`{word}`"),
                hint=word_hints.unknown_word(word, statement.tokens) or refusal.hint,
            )
        if statement.att:
            from execmem_kernel.assembly.diagnostics import att_wording

            pieces = sorted(operands, key=lambda piece: piece.start)
            texts = [fragment.line.text[piece.start : piece.end] for piece in pieces]
            refusal = att_wording.in_att_syntax(refusal, texts, fragment.line.text[start:end])
        if refusal.operand is not None:
            if 0 <= refusal.operand < len(operands):
                start, end = operands[refusal.operand].start, operands[refusal.operand].end
            elif operands:
                end = max(piece.end for piece in operands)
        hint = refusal.hint
        if refusal.code == "ASM104":
            hint = hints.wrong_operand_count_in_line(fragment.line.text, start, end) or hint
        self._collector.report("error", fragment.line, refusal.code, refusal.message, start, end, hint, refusal.forms)

    def _check(self) -> None:
        """What can be judged only when everything has its place: values of data, counts that came out negative."""
        total = 0
        for section in self._sections:
            total += section.end - section.address
            for fragment in section.fragments:
                if fragment.kind in ("space", "org") and fragment.refusal is not None:
                    self._refuse(fragment, fragment.refusal)
                for offset, size, tree, start, end in fragment.fixups:
                    self._symbols.location = fragment
                    # In GNU as `.` is the place of the very value, in NASM `$` that of the statement.
                    self._symbols.location_offset = (
                        offset
                        if fragment.statement.directive is not None and fragment.statement.directive.word != "db"
                        else 0
                    )
                    try:
                        value = self._symbols.evaluate(tree)
                        if value.weight not in (0, 1):
                            raise SourceError(
                                "ASM034",
                                "Two addresses cannot be added.",
                                start,
                                end,
                                "the difference of two labels is a number",
                            )
                        fragment.data[offset : offset + size] = fitted(value.number, size, start, end)
                    except SourceError as error:
                        if error.start == error.end:
                            error = SourceError(error.code, error.message, start, end, error.hint)
                        self._collector.report_error(fragment.line, error)
                    finally:
                        self._symbols.location_offset = 0
        if total > SIZE_LIMIT:
            line = self._lines[0]
            self._collector.report_error(
                line, SourceError("ASM062", "The program would be larger than 1 MiB.", 0, line.text_end)
            )
        check_globals(self._symbols, self._collector)
        check_constants(self._symbols, self._collector)
