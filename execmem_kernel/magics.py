"""`%%asm` and `%execmem`: options in, the pipeline walked, a report shown; the only room that knows IPython.

cell text --assemble--> Program --run--> Outcome --outcome_report--> what you see, and red if it failed
"""

from __future__ import annotations

import argparse
import difflib
import keyword
import operator
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from weakref import WeakKeyDictionary

from IPython.core.magic import no_var_expand

from execmem_kernel import errors
from execmem_kernel.memory import places

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from execmem_kernel.assembly.program import Program
    from execmem_kernel.execution.engine import Limits, Outcome
    from execmem_kernel.views.cell import Report

Raised = TypeVar("Raised", bound=BaseException)

# rsp is not among them: the runner gives every program a stack of its own.
GENERAL = frozenset(
    ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15")
)
VECTOR = re.compile(r"[xyz]mm([12]?\d|3[01])|k[0-7]")

EXPECTATIONS = (
    "return", "exit", "timeout", "limit", "SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS", "SIGABRT",
)  # fmt: skip

LIMITS = {
    "cpu": "cpu_s", "steps": "steps", "output": "output_size", "memory": "memory_size", "calls": "system_calls",
    "trace": "trace_steps",
}  # fmt: skip
"""Name of a limit on the option line -> field of `Limits`; the clock on the wall has an option of its own."""

EXAMPLES = (
    ("rdi=40 rsi=2", "start with two numbers in registers; 0x28, 0b1010 and -1 are numbers too"),
    (
        "rdi=message rsi=n",
        "Python variables: a number goes into the register, text or an array becomes memory",
    ),
    ("xmm0=1.5 --show xmm0", "a float goes into a vector register, as a double; --show shows its lanes"),
    ("--name answer", "keep what happened in the variable answer: answer.registers['rax'], answer.stdout"),
    ("--expect SIGSEGV", "this program is meant to crash: the cell stays green if it does"),
    ("--timeout 0.5", "stop it after half a second"),
    ("--limit steps=1000,output=4K", "stop it after a thousand instructions, or when it has printed 4096 bytes"),
    ("--show rbx,xmm0", "show these registers even if they did not change"),
    ("--poison --seed 7", "registers hold numbers that nobody chose: does it rely on one that it never set?"),
    ("--syntax att", "the other spelling: movl $42, %eax"),
    ("--bench --iterations 1000", "time it, for each of the 1000 rounds of its loop; tag the cell nbval-ignore-output"),
    ('--function "int64_t add(int64_t a, int64_t b)"', "make it a Python function: add(40, 2) in any later cell"),
)
"""Option lines with what they do, for the help text; each is parsed by a test."""


# ---- Options ---------------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """An argument parser that raises our error, where argparse would end the process."""

    def error(self, message: str) -> NoReturn:
        # argparse says "unrecognized arguments: --x" and "argument --x: what is wrong".
        message = message.replace("unrecognized arguments:", "does not know").removeprefix("argument ")
        raise errors.MagicError(f"%%asm {message}; %%asm --help shows what it takes")


def _parser() -> _Parser:
    parser = _Parser(
        prog="%%asm",
        add_help=False,
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=24, width=88),
    )
    # Python 3.14 colours the help by default; a notebook stores it, so it stays plain.
    parser.color = False  # type: ignore[attr-defined,unused-ignore]
    add = parser.add_argument
    add("registers", nargs="*", metavar="REGISTER=VALUE", help="a number, or the name of a Python variable")
    add("--name", metavar="NAME", help="store the outcome in this variable")
    add("--timeout", metavar="S", type=_seconds, help="seconds it may run (default 2)")
    add("--limit", metavar="LIMITS", default={}, type=_limits, help=f"other limits: {', '.join(LIMITS)}; 64K is 65536")
    add("--expect", metavar="END", type=_expectation, help=f"how it must end: {', '.join(EXPECTATIONS)}")
    add("--keep-going", action="store_true", help="show what went wrong, but do not fail the cell")
    add("--show", metavar="REGISTERS", default=(), type=_names, help="registers to show, with commas between")
    add("--syntax", choices=("intel", "att"), default="intel", help="how the instructions are written")
    add("--entry", metavar="LABEL", help="where to start, if not at the top")
    add("--stdin", metavar="TEXT", default="", help=r"what the program can read; \n is a new line")
    add(
        "--args",
        metavar="WORDS",
        default=(),
        type=_words,
        help="what main or _start finds in argv after the program's name",
    )
    add(
        "--trace",
        action="store_true",
        help="record the steps in outcome.trace (of a long run: the first, samples, the last)",
    )
    add("--poison", action="store_true", help="registers that are not given start with random numbers, not 0")
    add("--seed", metavar="N", type=_whole_number, help="make what is random to the program the same in every run")
    add("--function", metavar="PROTOTYPE", help="run nothing: make a Python function of this C prototype")
    add("--native", action="store_true", help="with --function: call it in this process, as fast as a builtin")
    add("--bench", action="store_true", help="time it: cycles and nanoseconds a call, which differ in every run")
    add("--iterations", metavar="N", type=_count, help="with --bench: a call goes round its loop N times")
    add("--help", action="store_true", help="show this text")
    return parser


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} has a quotation mark that is not closed") from None


def _count(text: str) -> int:
    number = _number(text)
    if number is None or number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return number


def _whole_number(text: str) -> int:
    number = _number(text)
    if number is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return number


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds between 0 and 3600")
    return seconds


def _limits(text: str) -> dict[str, float]:
    """What `steps=1000,output=4K` means: fields of `Limits` to numbers."""
    chosen: dict[str, float] = {}
    for word in text.split(","):
        name, _, amount = word.strip().partition("=")
        found = re.fullmatch(r"([0-9][0-9_]*(?:\.[0-9]+)?)([KM]?)", amount)
        if name not in LIMITS:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(LIMITS)}")
        if found is None or ("." in amount and name != "cpu"):
            raise argparse.ArgumentTypeError(f"{name} takes a number, as in {name}=64K, not {amount!r}")
        number = float(found[1]) if "." in amount else int(found[1])
        chosen[LIMITS[name]] = number * {"": 1, "K": 1024, "M": 1024 * 1024}[found[2]]
    return chosen


def _asked(chosen: argparse.Namespace) -> Limits:
    """The limits of a cell: the usual ones, but for those on its option line."""
    from execmem_kernel.execution.engine import Limits

    try:
        return Limits(**chosen.limit)
    except (TypeError, ValueError) as error:
        raise errors.MagicError(f"--limit: {error}") from None


def _expectation(text: str) -> str:
    for name in EXPECTATIONS:
        if text.lower() == name.lower():
            return name
    raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(EXPECTATIONS)}")


def _names(text: str) -> tuple[str, ...]:
    from execmem_kernel.execution.engine import GENERAL as SHOWN
    from execmem_kernel.execution.engine import Registers

    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    known = Registers(dict.fromkeys((*SHOWN, "rip", "rflags"), 0))
    for name in names:
        try:
            _ = VECTOR.fullmatch(name) or known[name]
        except KeyError:
            raise argparse.ArgumentTypeError(f"{name!r} is not a register{_nearest(name, GENERAL)}") from None
    return names


def _nearest(name: str, known: frozenset[str]) -> str:
    # Two letters changed over are the commonest slip of all, and look like two mistakes to difflib.
    near = [word for word in sorted(known) if sorted(word) == sorted(name)]
    near = near or difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def options(line: str) -> argparse.Namespace:
    """The options of a `%%asm` line.

    Raises:
        MagicError: One of them is not understood; the message says which, and what would be.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise errors.MagicError(f"%%asm cannot read its options: {str(error).lower()}") from None
    return _parser().parse_intermixed_args(words)


def help_text() -> str:
    """What `%%asm --help` and `%%asm?` show, made from the parser itself."""
    examples = "\n".join(f"  %%asm {line}\n      {about}" for line, about in EXAMPLES)
    return (
        "Assemble the cell, run it on the processor in a process of its own, and show what happened.\n\n"
        f"{_parser().format_help()}\nexamples:\n{examples}\n\n"
        "The program sees copies: a variable keeps its value, the new bytes are in outcome.buffers['name'].\n"
        "Text is given as UTF-8 with a zero byte behind it.\n"
    )


# ---- Values for registers --------------------------------------------------------------------------------------------


def arguments(words: list[str], variables: Mapping[str, Any]) -> tuple[dict[str, int | str], dict[str, Any]]:
    """What `rdi=40 rsi=text` means: registers to numbers or buffer names, and the buffers by name.

    Raises:
        MagicError: A register or a value is not understood.
    """
    registers: dict[str, int | str] = {}
    buffers: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name = name.strip().lower()
        if not equals or not text:
            raise errors.MagicError(f"%%asm does not understand {word!r}; write it as rdi=40 or rdi=variable")
        if name not in GENERAL and not VECTOR.fullmatch(name):
            raise errors.MagicError(f"{name!r} is not a register that can be set{_wider(name)}")
        if name in registers:
            raise errors.MagicError(f"{name} is given twice")
        registers[name] = _value(name, text, variables, buffers)
    return registers, buffers


def _wider(name: str) -> str:
    from execmem_kernel.execution.engine import PARTS

    if name in ("rsp", "esp", "sp", "spl"):
        return ": every program gets a stack of its own"
    if name in PARTS:
        return f"; set the whole of it, {PARTS[name][0]}"
    return _nearest(name, GENERAL)


def _value(register: str, text: str, variables: Mapping[str, Any], buffers: dict[str, Any]) -> int | str:
    number = _number(text)
    if number is None:
        if re.fullmatch(r"[+-]?[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?", text):
            value: Any = float(text)
        elif not text.isidentifier():
            raise errors.MagicError(f"{register}={text}: {text!r} is neither a number nor the name of a variable")
        elif text not in variables:
            raise errors.MagicError(f"{register}={text}: there is no variable {text!r}")
        else:
            value = variables[text]
        if VECTOR.fullmatch(register) and not register.startswith("k"):
            from execmem_kernel.execution import vectors

            try:
                value = vectors.whole(register, value)
            except (TypeError, ValueError) as error:
                raise errors.MagicError(f"{register}={text}: {error}") from None
        data = _bytes(value)
        if data is not None:
            buffers[text] = data
            return text
        number = _integer(register, text, value)
    bits = {"x": 128, "y": 256, "z": 512}.get(register[0], 64) if register[1:3] == "mm" else 64
    if not -(1 << (bits - 1)) <= number < 1 << bits:
        raise errors.MagicError(f"{register}={text}: the number does not fit into {bits} bits")
    return number % (1 << bits)


def _number(text: str) -> int | None:
    """A literal as the assembler reads it: 42, -1, 0x2a, 0b101, 0o17, 2ah, 1_000."""
    sign, digits = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    if re.fullmatch(r"[0-9][0-9_]*", digits):
        return sign * int(digits)
    if re.fullmatch(r"[0-9][0-9a-fA-F_]*[hH]", digits):
        return sign * int(digits[:-1], 16)
    if re.fullmatch(r"0[xXbBoO][0-9a-fA-F_]+", digits):
        try:
            return sign * int(digits, 0)
        except ValueError:
            return None
    return None


def _integer(register: str, text: str, value: Any) -> int:
    if isinstance(value, float):
        raise errors.MagicError(f"{register}={text}: {text} is a float; floats go into xmm0 to xmm15")
    try:
        return operator.index(value)
    except TypeError:
        kind = type(value).__name__
        raise errors.MagicError(
            f"{register}={text}: {text} is a {kind}; a register takes a number, text, bytes or an array"
        ) from None


def _bytes(value: Any) -> Any:
    """The memory a value stands for, or None if it is not memory: text gets the zero byte that C expects."""
    if isinstance(value, str):
        return value.encode() + b"\0"
    from execmem_kernel.execution.engine import Buffer

    if isinstance(value, Buffer):
        return value
    try:
        view = memoryview(value)
        # A numpy scalar such as int64(5) has a buffer too, but stands for a number; an array of objects has no bytes.
        return None if view.ndim == 0 or "O" in view.format else view.tobytes()
    except (TypeError, ValueError, BufferError):
        return None


# ---- %%asm -----------------------------------------------------------------------------------------------------------


class Session:
    """What one shell has of us: the magics, and the number of the cell that runs."""

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
        native = sys.modules.get("execmem_kernel.execution.native")
        if native is not None:
            native.renew_guard()

    def name_cell(self) -> None:
        """Say where whatever is allocated from now on comes from."""
        places.current_cell = f"cell {self.cell_number}"

    def asm(self, line: str, cell: str | None = None) -> None:
        """Run a cell of assembly with the options on its first line."""
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
        if chosen.iterations is not None and not chosen.bench:
            raise errors.MagicError("--iterations needs --bench")
        if chosen.limit and (chosen.bench or chosen.native):
            raise errors.MagicError(
                f"--limit goes with a program that runs apart, not with --{'bench' if chosen.bench else 'native'}"
            )
        if chosen.function is not None:
            self._define(chosen, cell)
        elif chosen.native:
            raise errors.MagicError('--native needs a prototype: --function "int64_t add(int64_t a, int64_t b)"')
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
        from execmem_kernel.views.cell import diagnostics_report, one_line

        self.show(diagnostics_report(error.diagnostics))
        raise _in_one_line(error, one_line(error.diagnostics)) from None

    def _define(self, chosen: argparse.Namespace, source: str) -> None:
        """Make a Python function of the cell, under the prototype's name or the one that was asked for."""
        from execmem_kernel.execution.function import function
        from execmem_kernel.views.cell import Report, Sentence, program_report

        if chosen.registers:
            raise errors.MagicError(f"{chosen.registers[0]}: with --function, arguments are given when it is called")
        program = self._assemble(chosen, source)
        made = function(
            program,
            chosen.function,
            native=chosen.native,
            timeout_s=chosen.timeout,
            limits=_asked(chosen),
            syntax=chosen.syntax,
        )
        name = chosen.name or made.__name__
        self.shell.user_ns[name] = made
        engine = made.__self__.engine if chosen.native and hasattr(made, "__self__") else made.engine
        lead = Sentence(f"{name} is a Python function now; {engine}", lead="function", tone="good")
        self.show(Report((lead, *program_report(program).parts)))

    def _time(self, chosen: argparse.Namespace, source: str) -> None:
        """Time the cell; its numbers are no part of graded output, so a notebook that is compared tags the cell."""
        from execmem_kernel.execution.bench import bench
        from execmem_kernel.views.cell import Report, Verbatim

        registers, buffers = arguments(chosen.registers, self.shell.user_ns)
        program = self._assemble(chosen, source)
        extra = {} if chosen.timeout is None else {"timeout_s": chosen.timeout}
        timing = bench(program, registers, buffers, chosen.entry, iterations=chosen.iterations or 1, **extra)
        if chosen.name is not None:
            self.shell.user_ns[chosen.name] = timing
        self.show(Report((Verbatim(timing.report(), "timing"),)))

    def _run(self, chosen: argparse.Namespace, source: str) -> None:
        from execmem_kernel.execution.running import run
        from execmem_kernel.views.cell import outcome_report

        registers, buffers = arguments(chosen.registers, self.shell.user_ns)
        program = self._assemble(chosen, source)
        if chosen.entry is not None and chosen.entry not in program.labels:
            known = _nearest(chosen.entry, frozenset(program.labels))
            raise errors.MagicError(f"--entry {chosen.entry}: there is no such label{known}")
        extra = {} if chosen.timeout is None else {"timeout_s": chosen.timeout}
        try:
            outcome = run(
                program,
                limits=_asked(chosen),
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
        self.show(outcome_report(outcome, show=chosen.show, buffers=before, expected=expected))
        if chosen.expect is not None:
            if not as_expected:
                raise errors.ExpectationFailed(f"expected {chosen.expect}, but {_what_happened(outcome)}")
        elif not chosen.keep_going and not _ended_well(outcome):
            outcome.raise_for_fault()


def ending(outcome: Outcome) -> str:
    """How a run ended, in the words of `--expect`."""
    from execmem_kernel.execution.engine import Exited, Faulted, Returned, TimedOut

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
    """A whole program that asks for exit(0) has ended as it should; a function does so by returning."""
    from execmem_kernel.execution.engine import Exited

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


# ---- %execmem --------------------------------------------------------------------------------------------------------


def _explain(text: str) -> Report:
    from execmem_kernel.assembly.explain import explain
    from execmem_kernel.views.cell import Report, Sentence

    if not text:
        raise errors.MagicError('%execmem explain needs an instruction: %execmem explain "lea rax, [rdi+rsi*4]"')
    if re.fullmatch(r"(?i)asm[0-9]+", text):
        return _explain_code(text.upper())
    return Report((Sentence(explain(text)),))


def _explain_code(code: str) -> Report:
    """What a code of the assembler's means, with the example that it is documented by and what is said of that."""
    from execmem_kernel.assembly.assembler import assemble
    from execmem_kernel.assembly.diagnostics import documented_codes
    from execmem_kernel.views.cell import code_report

    codes = documented_codes()
    if code not in codes:
        raise errors.MagicError(f"%execmem explain: there is no {code}; codes go from {min(codes)} to {max(codes)}")
    meaning, example = codes[code]
    findings: tuple[Any, ...] = ()
    if example:
        try:
            findings = assemble(example).warnings
        except errors.AssemblyError as error:
            findings = error.diagnostics
    return code_report(code, meaning, example, next((one for one in findings if one.code == code), None))


def _regions(_text: str) -> Report:
    from execmem_kernel.memory.manager import manager
    from execmem_kernel.views.memory import picture

    return picture(manager().snapshot(), manager().events()).report()


def _audit(_text: str) -> Report:
    from execmem_kernel.memory.manager import manager

    return _leaks_report(manager().audit())


def _cleanup(_text: str) -> Report:
    from execmem_kernel.memory.manager import manager

    return _cleanup_report(manager().cleanup())


COMMANDS: dict[str, tuple[Callable[[str], Report], str]] = {
    "explain": (
        _explain,
        'say what an instruction does: explain "lea rax, [rdi+rsi*4]"; or what a code means: explain ASM107',
    ),
    "regions": (_regions, "list the executable memory that is owned now, and by whom"),
    "audit": (_audit, "compare it with the kernel's own map, and name what nobody owns"),
    "cleanup": (_cleanup, "release everything that nobody is running in"),
}
"""Subcommand -> what it does with the rest of the line, and its help."""


def execmem_help() -> str:
    """What `%execmem help` and `%execmem?` show."""
    width = max(len(name) for name in COMMANDS)
    lines = [f"  %execmem {name.ljust(width)}  {about}" for name, (_, about) in COMMANDS.items()]
    return "Look after executable memory from a notebook.\n\n" + "\n".join(lines) + "\n"


def execmem(line: str) -> Report | None:
    """Run one subcommand of `%execmem` and return what it has to say; help is printed."""
    name, _, rest = line.strip().partition(" ")
    if name in ("", "help", "--help"):
        print(execmem_help(), end="")
        return None
    if name not in COMMANDS:
        near = _nearest(name, frozenset(COMMANDS))
        raise errors.MagicError(f"%execmem does not know {name!r}{near}; %execmem help lists what it knows")
    rest = rest.strip()
    if len(rest) > 1 and rest[0] == rest[-1] and rest[0] in "'\"":
        rest = rest[1:-1]
    return COMMANDS[name][0](rest)


# ---- Values that show themselves -------------------------------------------------------------------------------------


def _program_report(program: Any) -> Report:
    from execmem_kernel.views.cell import program_report

    return program_report(program)


def _outcome_report(outcome: Any) -> Report:
    from execmem_kernel.views.cell import outcome_report

    return outcome_report(outcome)


def _leaks_report(leaks: Any) -> Report:
    from execmem_kernel.views.memory import leaks_report

    return leaks_report(leaks)


def _cleanup_report(done: Any) -> Report:
    from execmem_kernel.views.memory import cleanup_report

    return cleanup_report(done)


def _bundler(report: Callable[[Any], Report]) -> Callable[[Any], dict[str, str]]:
    return lambda value: report(value)._repr_mimebundle_()


# ---- Loading ---------------------------------------------------------------------------------------------------------

_sessions: WeakKeyDictionary[InteractiveShell, Session] = WeakKeyDictionary()

_SHOWN_AS_REPORTS: tuple[tuple[str, str, Callable[[Any], Report]], ...] = (
    ("execmem_kernel.assembly.program", "Program", _program_report),
    ("execmem_kernel.execution.engine", "Outcome", _outcome_report),
    ("execmem_kernel.memory.audit", "LeakReport", _leaks_report),
    ("execmem_kernel.memory.manager", "CleanupReport", _cleanup_report),
)
"""Values that show themselves as a report when they are the last thing in a cell."""


def load(shell: InteractiveShell) -> None:
    """Put the magics, the hooks and the display of our values into a shell; twice is harmless."""
    if shell in _sessions:
        return
    session = _sessions[shell] = Session(shell)

    def asm(line: str, cell: str | None = None) -> None:
        session.asm(line, cell)

    def execmem_(line: str) -> None:
        report = execmem(line)
        if report is not None:
            session.show(report)

    asm.__doc__ = help_text()
    execmem_.__doc__ = execmem_help()
    # Braces and dollars on the line are the program's own, not IPython's to expand.
    shell.magics_manager.register_function(no_var_expand(asm), magic_kind="line_cell", magic_name="asm")
    shell.magics_manager.register_function(no_var_expand(execmem_), magic_kind="line", magic_name="execmem")
    shell.events.register("pre_run_cell", session.cell_begins)
    shell.input_transformers_cleanup.append(straighten)
    assert shell.display_formatter is not None
    bundles = shell.display_formatter.mimebundle_formatter
    for module, name, report in _SHOWN_AS_REPORTS:
        bundles.for_type_by_name(module, name, _bundler(report))
    session.name_cell()
    places.namespace = shell.user_ns


def unload(shell: InteractiveShell) -> None:
    """Take out of the shell what `load` put in; twice is harmless. Live regions stay their owners'."""
    session = _sessions.pop(shell, None)
    if session is None:
        return
    for kind, name in (("line", "asm"), ("cell", "asm"), ("line", "execmem")):
        shell.magics_manager.magics[kind].pop(name, None)
        vars(shell.magics_manager.user_magics).pop(name, None)
    shell.events.unregister("pre_run_cell", session.cell_begins)
    shell.input_transformers_cleanup.remove(straighten)
    assert shell.display_formatter is not None
    bundles = shell.display_formatter.mimebundle_formatter
    for module, name, _ in _SHOWN_AS_REPORTS:
        bundles.pop(f"{module}.{name}", None)
        loaded = sys.modules.get(module)
        if loaded is not None:
            bundles.pop(getattr(loaded, name), None)
    places.current_cell = places.namespace = None
    for module in ("execmem_kernel.views.memory_map", "execmem_kernel.views.stepper"):
        widgets = sys.modules.get(module)
        if widgets is not None:
            widgets.close_all()


def straighten(lines: list[str]) -> list[str]:
    """Let IPython see every `%%asm` cell as one.

    IPython refuses a cell magic with an empty body before we are asked, with an error that graders cannot
    see, and does not recognise a cell magic below a comment, where nbval's markers like to stand.
    """
    first = next((index for index, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if first is None or not (match := re.match(r"%%asm(?:\s+|$)", lines[first])):
        return lines
    body = lines[first + 1 :] or ["\n"]
    return [f"%%asm {lines[first][match.end() :].rstrip()}\n", *body]
