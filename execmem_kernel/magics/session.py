"""`%%asm` itself: options in, the pipeline walked, a report shown.

cell text --assemble--> Program --run--> Outcome --outcome_report--> what you see, and red if it failed
"""

from __future__ import annotations

import argparse
import keyword
import re
import sys
from typing import TYPE_CHECKING, NoReturn, TypeVar

from execmem_kernel import errors
from execmem_kernel.magics.options import check_combinations, help_text, limits_of, options
from execmem_kernel.magics.values import arguments
from execmem_kernel.memory import callsites
from execmem_kernel.wording import did_you_mean

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from execmem_kernel.execution.contract.outcome import Outcome
    from execmem_kernel.program.program import Program
    from execmem_kernel.views.report import Report


Raised = TypeVar("Raised", bound=BaseException)


class Session:
    """What one shell has of this package: the magics, and the number of the cell that runs."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        # IPython's own count stands still where no history is kept (nbval); this one runs there too, so the
        # same notebook gives the same labels everywhere. The cell that loads the extension is number 1.
        self.cell_number: int = 1

    def show(self, report: Report) -> None:
        """Display a report, once, as text and as HTML."""
        self.shell.display_pub.publish(report._repr_mimebundle_())

    def cell_begins(self, _info: object) -> None:
        """Count the cell and name it."""
        self.cell_number += 1
        self.name_cell()
        # The kernel sets Python's own handler of the stop button before every cell; native code needs the guard's.
        native = sys.modules.get("execmem_kernel.execution.native.guard")
        if native is not None:
            native.renew_guard()

    def name_cell(self) -> None:
        """Label what is allocated from now on with the cell that runs."""
        callsites.current_cell = f"cell {self.cell_number}"

    def asm(self, line: str, cell: str | None = None) -> None:
        """Run a cell of assembly with the options on its first line.

        Raises:
            MagicError: An option is not understood, or there is no program.
            AssemblyError: The program cannot be assembled.
            ProgramFault: It did not end as a function should, or not as expected.
        """
        chosen = options(line)
        if chosen.help:
            print(help_text(), end="")
            return
        if cell is None:
            raise errors.MagicError("a cell of assembly begins with two percent signs: %%asm")
        if not cell.strip():
            raise errors.MagicError("there is nothing to run: write instructions under the %%asm line")
        if chosen.name is not None and (not chosen.name.isidentifier() or keyword.iskeyword(chosen.name)):
            raise errors.MagicError(f"--name {chosen.name}: that cannot be the name of a variable")
        check_combinations(chosen)
        if chosen.function is not None:
            self._define(chosen, cell)
        elif chosen.bench:
            self._time(chosen, cell)
        else:
            self._run(chosen, cell)

    def _assemble(self, chosen: argparse.Namespace, source: str) -> Program:
        from execmem_kernel.assembly.assembler import assemble

        try:
            return assemble(source, syntax=chosen.syntax)
        except errors.AssemblyError as error:
            self._refuse(error)

    def _refuse(self, error: errors.AssemblyError) -> NoReturn:
        """Show what is wrong with the source, and fail the cell with the first line of it."""
        from execmem_kernel.views.listing import diagnostics_report, one_line

        self.show(diagnostics_report(error.diagnostics))
        raise _in_one_line(error, one_line(error.diagnostics)) from None

    def _define(self, chosen: argparse.Namespace, source: str) -> None:
        """Make a Python function of the cell, under the prototype's name or the one that was asked for."""
        from execmem_kernel.execution.api.function import function
        from execmem_kernel.views.listing import program_report
        from execmem_kernel.views.report import Report, Sentence

        program = self._assemble(chosen, source)
        made = function(
            program,
            chosen.function,
            native=chosen.native,
            timeout_s=chosen.timeout,
            limits=limits_of(chosen),
            syntax=chosen.syntax,
        )
        name = chosen.name or made.__name__
        self.shell.user_ns[name] = made
        engine = made.__self__.engine if chosen.native and hasattr(made, "__self__") else made.engine
        lead = Sentence(f"{name} is a Python function now; {engine}", lead="function", tone="good")
        self.show(Report((lead, *program_report(program).parts)))

    def _time(self, chosen: argparse.Namespace, source: str) -> None:
        """Time the cell; its numbers are no part of graded output, so a notebook that is compared tags the cell."""
        from execmem_kernel.execution.api.bench import bench
        from execmem_kernel.views.report import Report, Verbatim

        registers, buffers = arguments(chosen.registers, self.shell.user_ns)
        program = self._assemble(chosen, source)
        extra = {} if chosen.timeout is None else {"timeout_s": chosen.timeout}
        timing = bench(program, registers, buffers, chosen.entry, iterations=chosen.iterations or 1, **extra)
        if chosen.name is not None:
            self.shell.user_ns[chosen.name] = timing
        self.show(Report((Verbatim(timing.report(), "timing"),)))

    def _run(self, chosen: argparse.Namespace, source: str) -> None:
        from execmem_kernel.execution.api.running import run
        from execmem_kernel.views.outcome import outcome_report

        registers, buffers = arguments(chosen.registers, self.shell.user_ns)
        program = self._assemble(chosen, source)
        if chosen.entry is not None and chosen.entry not in program.labels:
            known = did_you_mean(chosen.entry, frozenset(program.labels))
            raise errors.MagicError(f"--entry {chosen.entry}: there is no such label{known}")
        extra = {} if chosen.timeout is None else {"timeout_s": chosen.timeout}
        try:
            outcome = run(
                program,
                limits=limits_of(chosen),
                registers=registers,
                buffers=buffers,
                entry=chosen.entry,
                stdin=_escapes(chosen.stdin),
                args=chosen.args,
                trace=chosen.trace,
                poison=chosen.poison,
                seed=chosen.seed,
                name=chosen.name or "%%asm",
                **extra,
            )
        except KeyboardInterrupt as interrupt:
            raise _in_one_line(interrupt, "the program was stopped; it is gone, and the next cell can run") from None
        except errors.AssemblyError as error:  # a function that the C library does not have
            self._refuse(error)
        except ValueError as error:  # a register's value or a buffer that no program can be given
            if isinstance(error, errors.ExecmemError):
                raise
            raise errors.MagicError(str(error)) from None
        if chosen.name is not None:
            self.shell.user_ns[chosen.name] = outcome
        before = {name: data for name, data in buffers.items() if isinstance(data, bytes)}
        as_expected = chosen.expect == ending(outcome)
        expected = chosen.expect if as_expected else None
        self.show(outcome_report(outcome, chosen.show, before, expected, kept=chosen.name or ""))
        if chosen.expect is not None:
            if not as_expected:
                raise errors.ExpectationFailed(f"expected {chosen.expect}, but {_what_happened(outcome)}")
        elif not chosen.keep_going and not _ended_well(outcome):
            outcome.raise_for_fault()


def ending(outcome: Outcome) -> str:
    """How a run ended, in the words of `--expect` (options.EXPECTATIONS)."""
    from execmem_kernel.execution.contract.outcome import Exited, Faulted, Returned, TimedOut

    match outcome:
        case Returned():
            return "return"
        case Faulted():
            return outcome.signal
        case TimedOut():
            return "timeout" if outcome.limit in ("wall", "cpu") else "limit"
        case Exited():
            return "exit"
    raise AssertionError(f"an outcome of an unknown kind: {type(outcome).__name__}")


def _ended_well(outcome: Outcome) -> bool:
    """Whether a whole program asked for exit(0), which is as it should be; a function returns."""
    from execmem_kernel.execution.contract.outcome import Exited

    return isinstance(outcome, Exited) and outcome.as_it_should


def _what_happened(outcome: Outcome) -> str:
    return "it returned" if outcome.cause is None else outcome.headline


def _escapes(text: str) -> bytes:
    r"""The bytes that `\n`, `\t`, `\0`, `\\` and `\xNN` in an option stand for; everything else is UTF-8."""

    def meant(match: re.Match[bytes]) -> bytes:
        letter = match[1]
        if letter[:1] == b"x" and len(letter) == 3:
            return bytes.fromhex(letter[1:].decode())
        return {b"n": b"\n", b"t": b"\t", b"0": b"\0"}.get(letter, letter)

    return re.sub(rb"\\(x[0-9a-fA-F]{2}|.)", meant, text.encode())


def _in_one_line(error: Raised, line: str) -> Raised:
    """The same error, shown as one line in the notebook: the report above it has said the rest."""
    text = f"{type(error).__name__}: {line}"
    error._render_traceback_ = lambda: [text]  # type: ignore[attr-defined]
    return error
