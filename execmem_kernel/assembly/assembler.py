"""Source text to `Program`, or every diagnostic at once.

    text --macros--> lines --Reader--> chunks in sections --Layout, Encoder--> bytes --listing--> Program

Sizes are found first, with every jump short; jumps that do not reach grow until all reach. Then every chunk that
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
        self._findings = DiagnosticCollector(nasm=self._rules.speaks_nasm)
        self._sections = Sections()
        self._compiled = is_compiled(source)
        self._names = SymbolTable(self._sections, self._findings, self._rules, address, compiled=self._compiled)
        self._layout = Layout(self._sections, self._names, self._findings, address)

    def program(self) -> Program:
        """Everything, in order; raises AssemblyError when any of it went wrong."""
        findings = self._findings
        try:
            if len(self._source) > SOURCE_LIMIT:
                findings.complain(self._lines[0], SourceError("ASM064", "The source is larger than 4 MiB.", 0, 1))
                raise TooManyErrors
            StatementReader(self._lines, self._syntax, self._rules, self._sections, self._names, findings).read()
            self._encode()
            self._check()
        except TooManyErrors:
            pass
        except RecursionError:
            # Constants that stand for long expressions of constants that stand for long expressions.
            self._nested_too_deep()
        if not findings.error_count:
            for line, complaint in findings.echoes:
                findings.complain(line, complaint, echo=True)
        if findings.error_count:
            raise AssemblyError([found for found in findings.in_order() if found.severity == "error"])
        check_flow(self._sections, self._names, findings)
        check_unused(self._sections, self._names, findings)
        return finished(
            self._source,
            self._syntax,
            self._address,
            self._sections,
            self._names,
            findings.in_order(),
            compiled=self._compiled,
        )

    def _nested_too_deep(self) -> None:
        line = self._names.here.line if self._names.here is not None else self._lines[0]
        complaint = SourceError("ASM016", "The constants used here are nested too deep.", 0, line.text_end)
        with contextlib.suppress(TooManyErrors):
            self._findings.complain(line, complaint)

    def _encode(self) -> None:
        code = [chunk for section in self._sections for chunk in section.chunks if chunk.kind == "code"]
        fixed = [chunk for chunk in code if chunk.operation is not None]
        jumps: list[Jump] = []
        for chunk in code:
            if chunk.operation is not None:
                chunk.size = 4
            elif chunk.form is not None:
                value = chunk.statement.operands[0].value
                assert isinstance(value, Constant)
                if chunk.form == "near":
                    chunk.size = 5
                else:
                    chunk.size = 2
                    jumps.append((chunk, value.value))
            else:
                chunk.size = 7
        self._layout.lay_out()
        built: list[Fragment] = []
        for chunk in code:
            if chunk.operation is None and self._build(chunk) and chunk.form is None:
                built.append(chunk)
        # Lines that are alike were read once, so they share one operation.
        asked = {id(chunk.operation): chunk.operation for chunk in (*fixed, *built) if chunk.operation is not None}
        answers = dict(zip(asked, self._encoder.encode(list(asked.values())), strict=True))
        for chunk in (*fixed, *built):
            answer = answers[id(chunk.operation)]
            if isinstance(answer, Encoding):
                chunk.encoding = answer
                chunk.size = len(answer.code)
            elif chunk.statement.ready is not None:
                self._refuse(chunk, answer)
                chunk.operation = None
        self._layout.relax(jumps)
        waiting = [chunk for chunk in code if chunk.statement.ready is None and chunk.operation is not None]
        for _ in range(_PASS_LIMIT):
            if not self._encode_where_it_lies(waiting):
                break
            self._layout.relax(jumps)
        for chunk in waiting:
            if chunk.refusal is not None:
                self._refuse(chunk, chunk.refusal)

    def _build(self, chunk: Fragment) -> bool:
        self._names.here = chunk
        try:
            operation = build(chunk.statement, self._names.worth, chunk.address, self._rules)
        except SourceError as complaint:
            if complaint.start == complaint.end:
                statement = chunk.statement
                complaint = SourceError(
                    complaint.code, complaint.message, statement.start, statement.last, complaint.hint
                )
            self._findings.complain(chunk.line, complaint)
            chunk.operation = None
            return False
        if chunk.form is not None:
            target = operation.operands[0]
            assert isinstance(target, Target)
            if target.form is None and chunk.limit is None:
                operation = Operation(operation.mnemonic, (Target(target.address, chunk.form),), (), operation.address)
        chunk.operation = operation
        return True

    def _encode_where_it_lies(self, chunks: list[Fragment]) -> bool:
        """Encode all that depends on addresses; whether any size came out larger than it was taken for."""
        ready = [chunk for chunk in chunks if chunk.operation is not None and self._build(chunk)]
        answers = self._encoder.encode([chunk.operation for chunk in ready if chunk.operation is not None])
        grown = False
        for chunk, answer in zip(ready, answers, strict=True):
            if isinstance(answer, Refusal):
                chunk.refusal = answer
                continue
            chunk.refusal = None
            chunk.encoding = answer
            if len(answer.code) != chunk.size:
                chunk.size = len(answer.code)
                grown = True
        return grown

    def _refuse(self, chunk: Fragment, refusal: Refusal) -> None:
        """A refusal of the encoder, with the columns of the operand it blames."""
        statement = chunk.statement
        start, end = statement.start, statement.end
        operands = statement.operands
        if refusal.code == "ASM100" and any(
            name.text[bad.start : bad.end].lower() == statement.name for name, bad in self._findings.echoes
        ):
            refusal = replace(refusal, hint=f"for a label write `{statement.name}:`")
        elif refusal.code == "ASM100":
            word = chunk.line.text[start:end]
            refusal = replace(
                refusal,
                message=refusal.message.replace(f"`{statement.name}`", f"`{word}`"),
                hint=word_hints.unknown_word(word, statement.tokens) or refusal.hint,
            )
        if statement.att:
            from execmem_kernel.assembly.diagnostics import att_wording

            pieces = sorted(operands, key=lambda piece: piece.start)
            texts = [chunk.line.text[piece.start : piece.end] for piece in pieces]
            refusal = att_wording.in_att_syntax(refusal, texts, chunk.line.text[start:end])
        if refusal.operand is not None:
            if 0 <= refusal.operand < len(operands):
                start, end = operands[refusal.operand].start, operands[refusal.operand].end
            elif operands:
                end = max(piece.end for piece in operands)
        hint = refusal.hint
        if refusal.code == "ASM104":
            hint = hints.wrong_operand_count_in_line(chunk.line.text, start, end) or hint
        self._findings.report("error", chunk.line, refusal.code, refusal.message, start, end, hint, refusal.forms)

    def _check(self) -> None:
        """What can be judged only when everything has its place: values of data, counts that came out negative."""
        total = 0
        for section in self._sections:
            total += section.end - section.address
            for chunk in section.chunks:
                if chunk.kind in ("space", "org") and chunk.refusal is not None:
                    self._refuse(chunk, chunk.refusal)
                for offset, size, tree, start, end in chunk.fixups:
                    self._names.here = chunk
                    # In GNU as `.` is the place of the very value, in NASM `$` that of the statement.
                    self._names.offset = (
                        offset
                        if chunk.statement.directive is not None and chunk.statement.directive.word != "db"
                        else 0
                    )
                    try:
                        value = self._names.worth(tree)
                        if value.weight not in (0, 1):
                            raise SourceError(
                                "ASM034",
                                "Two addresses cannot be added.",
                                start,
                                end,
                                "the difference of two labels is a number",
                            )
                        chunk.data[offset : offset + size] = fitted(value.number, size, start, end)
                    except SourceError as complaint:
                        if complaint.start == complaint.end:
                            complaint = SourceError(complaint.code, complaint.message, start, end, complaint.hint)
                        self._findings.complain(chunk.line, complaint)
                    finally:
                        self._names.offset = 0
        if total > SIZE_LIMIT:
            line = self._lines[0]
            self._findings.complain(
                line, SourceError("ASM062", "The program would be larger than 1 MiB.", 0, line.text_end)
            )
        check_globals(self._names, self._findings)
        check_constants(self._names, self._findings)
