"""Layout and branch relaxation: addresses and sizes of fragments; short branches grow to near until a fixed point."""

from __future__ import annotations

from typing import Literal

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.semantics.collector import DiagnosticCollector
from execmem_kernel.assembly.semantics.sections import (
    PAGE,
    SEGMENT_ORDER,
    SIZE_LIMIT,
    Fragment,
    Section,
    Sections,
    too_large,
)
from execmem_kernel.assembly.semantics.symbols import SymbolTable
from execmem_kernel.assembly.syntax.evaluation import evaluate
from execmem_kernel.assembly.syntax.expressions import Expression
from execmem_kernel.x86.operands import Refusal

_ROUND_LIMIT = 40
_IN_TURN_LIMIT = 100_000
"""Fragments laid out, all in all, to grow jumps one by one; each jump costs a layout: some tenths of a second."""
_SHRINK_LIMIT = 50
"""Jumps tried again for the short form at the end; each costs a layout."""
Jump = tuple[Fragment, Expression]
"""A jump that may be short or near, and where it goes."""
_JumpForm = tuple[Fragment, Literal["short", "near"] | None, int]


class Layout:
    """Gives the fragments of one program their addresses."""

    def __init__(self, sections: Sections, symbols: SymbolTable, collector: DiagnosticCollector, address: int) -> None:
        self._sections = sections
        self._symbols = symbols
        self._collector = collector
        self._address = address

    def lay_out(self) -> None:
        """Give every fragment its address; sizes that hang on addresses settle in a few rounds."""
        for _ in range(_ROUND_LIMIT):
            if not self._lay_out_once():
                return
        fragment = next(
            fragment for section in self._sections for fragment in section.fragments if fragment.amount is not None
        )
        raise_at = fragment.statement
        self._collector.report_error(
            fragment.line,
            SourceError(
                "ASM037", "The size of this never settles: it depends on itself.", raise_at.start, raise_at.end
            ),
        )
        fragment.amount = None

    def _lay_out_once(self) -> bool:
        """One round; whether any size still moved that others may depend on."""
        address = self._address
        moved = False
        first = True
        for segment in SEGMENT_ORDER:
            sections = [section for section in self._sections if section.segment == segment]
            if not any(section.fragments for section in sections) and segment != "text":
                # No memory, but labels: they lie where the segment would begin.
                for section in sections:
                    section.address = section.end = (address + PAGE - 1) // PAGE * PAGE + PAGE
                continue
            if not first:
                address = (address + PAGE - 1) // PAGE * PAGE + PAGE
            start = address
            first = False
            for section in sections:
                if address != start or section.alignment > 1:
                    address = -(-address // section.alignment) * section.alignment if address != start else address
                moved |= self._lay_out_section(section, address)
                address = section.end
            address = max(address, start + 1)
        for section in self._sections:
            if section.segment == "note":
                self._lay_out_section(section, 0)
        return moved

    def _lay_out_section(self, section: Section, address: int) -> bool:
        moved = section.address != address
        section.address = address
        for fragment in section.fragments:
            fragment.address = address
            if fragment.kind == "align":
                size = -address % fragment.count
                fragment.size = 0 if fragment.limit is not None and size > fragment.limit else size
            elif fragment.amount is not None:
                size = self._amount(fragment)
                if size != fragment.size:
                    fragment.size = size
                    moved = True
            address += fragment.size
        if section.end != address:
            section.end = address
        return moved

    def _amount(self, fragment: Fragment) -> int:
        """The size of a fragment whose size is an expression over addresses."""
        assert fragment.amount is not None
        held, self._symbols.location = self._symbols.location, fragment
        statement = fragment.statement
        try:
            value = self._symbols.evaluate(fragment.amount)
            count = value.number
            if fragment.kind == "org":
                count = (
                    count - fragment.address if value.weight else count - (fragment.address - fragment.section.address)
                )
            elif value.weight:
                raise SourceError(
                    "ASM034", "A count is needed here, and this is an address.", statement.start, statement.end
                )
        except SourceError as error:
            fragment.amount = None
            if error.start == error.end:
                # What is advised is for lengths in data, and not for counts.
                error = SourceError(error.code, error.message, statement.start, statement.end)
            self._collector.report_error(fragment.line, error)
            return 0
        finally:
            self._symbols.location = held
        if count < 0:
            count = 0
            fragment.refusal = Refusal("ASM056", "This would have to go backwards.")
        else:
            fragment.refusal = None
        size = count * (fragment.count if fragment.kind == "space" else 1)
        if size > SIZE_LIMIT:
            fragment.amount = None
            self._collector.report_error(
                fragment.line,
                too_large(statement.start, statement.end),
            )
            return 0
        return size

    def relax(self, jumps: list[Jump]) -> None:
        """Make the jumps near that do not reach, until all do; then see which of them reach after all."""
        self._grow_jumps(jumps)
        self._grow_in_turn(jumps)
        # Padding may have shrunk while jumps grew. All that nearly reach are tried together, then one by one.
        spare = [jump[0] for jump in jumps if jump[0].form == "near" and self._reaches(jump, 192)]
        if not spare:
            return
        size = self._sections.text.end
        settled = _forms(jumps)
        for fragment in spare:
            _make_short(fragment)
        self._grow_jumps(jumps)
        if self._sections.text.end > size:
            self._restore(settled)
        for jump in [jump for jump in jumps if jump[0].form == "near" and self._reaches(jump, 130)][:_SHRINK_LIMIT]:
            _make_short(jump[0])
            self.lay_out()
            if not all(other[0].form == "near" or self._reaches(other, 127) for other in jumps):
                _make_near(jump[0])
        self.lay_out()

    def _grow_in_turn(self, jumps: list[Jump]) -> None:
        """Where there is padding, see whether fewer have to grow if they do so one after the other, from the front.

        Padding swallows what grows before it, so that a jump behind it may reach after all.
        """
        near = [jump[0] for jump in jumps if jump[0].form == "near"]
        text = self._sections.text
        if len(near) * len(text.fragments) > _IN_TURN_LIMIT or not any(
            fragment.kind == "align" for fragment in text.fragments
        ):
            return
        size, settled = text.end, _forms(jumps)
        for fragment in near:
            _make_short(fragment)
        for _ in near:  # more than before would be no better
            self.lay_out()
            first = next((jump for jump in jumps if jump[0].form == "short" and not self._reaches(jump, 127)), None)
            if first is None:
                break
            _make_near(first[0])
        self.lay_out()
        if text.end > size or any(jump[0].form == "short" and not self._reaches(jump, 127) for jump in jumps):
            self._restore(settled)

    def _restore(self, settled: list[_JumpForm]) -> None:
        for fragment, form, size in settled:
            fragment.form, fragment.size = form, size
        self.lay_out()

    def _grow_jumps(self, jumps: list[Jump]) -> None:
        reach = 127
        for round_number in range(1000):
            self.lay_out()
            if round_number == 20:
                reach = 63  # a chain in which each growth pushes just one more: end it sooner, at some bytes' cost
            grown = [jump for jump in jumps if jump[0].form == "short" and not self._reaches(jump, reach)]
            if not grown:
                return
            for fragment, _ in grown:
                _make_near(fragment)

    def _reaches(self, jump: Jump, reach: int) -> bool:
        """Whether a short form of the jump gets where it goes in the present layout."""
        fragment, value = jump
        self._symbols.location = fragment
        try:
            target = evaluate(value, self._symbols.look_up).number
        except SourceError:
            return True  # reported where it is encoded
        return -reach - 1 <= target - (fragment.address + 2) <= reach


def _forms(jumps: list[Jump]) -> list[_JumpForm]:
    """Which form each jump has now, and its size."""
    return [(fragment, fragment.form, fragment.size) for fragment, _ in jumps]


def _make_short(fragment: Fragment) -> None:
    fragment.form, fragment.size = "short", 2


def _make_near(fragment: Fragment) -> None:
    fragment.form = "near"
    fragment.size = 5 if fragment.statement.name in ("jmp", "jmpq") else 6
