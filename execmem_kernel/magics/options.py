"""The option line of `%%asm`: its parser, its help text, and what each option's value may be."""

from __future__ import annotations

import argparse
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from execmem_kernel import errors
from execmem_kernel.magics.values import VECTOR, parse_number, settable
from execmem_kernel.wording import did_you_mean

if TYPE_CHECKING:
    from execmem_kernel.execution.contract.call import Limits

EXPECTATIONS = (
    "return", "exit", "timeout", "limit", "SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS", "SIGABRT",
)  # fmt: skip
"""How a cell may be expected to end, in the words of `--expect`."""

LIMITS = {
    "cpu": "cpu_s", "steps": "steps", "output": "output_size", "memory": "memory_size", "calls": "system_calls",
    "stack": "stack_size", "trace": "trace_steps",
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


@dataclass(frozen=True, slots=True)
class Combination:
    """What an option needs beside it, and what it cannot stand beside."""

    option: str
    needs: str = ""
    excludes: tuple[str, ...] = ()
    message: str = ""
    """What to say where that does not hold; `{value}` is the option's first value, `{other}` what it excludes."""


COMBINATIONS = (
    Combination("iterations", needs="bench", message="--iterations needs --bench"),
    Combination(
        "limit",
        excludes=("bench", "native"),
        message="--limit goes with a program that runs apart, not with --{other}",
    ),
    Combination(
        "native",
        needs="function",
        message='--native needs a prototype: --function "int64_t add(int64_t a, int64_t b)"',
    ),
    Combination(
        "registers",
        excludes=("function",),
        message="{value}: with --function, arguments are given when it is called",
    ),
)
"""Checked in this order; the first that does not hold is said."""


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
    add(
        "--poison", action="store_true", help="registers that are not given start with numbers that nobody chose, not 0"
    )
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
    number = parse_number(text)
    if number is None or number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return number


def _whole_number(text: str) -> int:
    number = parse_number(text)
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


def limits_of(chosen: argparse.Namespace) -> Limits:
    """The limits of a cell: the usual ones, but for those on its option line.

    Raises:
        MagicError: A limit is out of its range.
    """
    from execmem_kernel.execution.contract.call import Limits

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
    from execmem_kernel.execution.contract.registers import Registers
    from execmem_kernel.x86.registers import GENERAL

    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    known = Registers(dict.fromkeys((*GENERAL, "rip", "rflags"), 0))
    for name in names:
        try:
            _ = VECTOR.fullmatch(name) or known[name]
        except KeyError:
            raise argparse.ArgumentTypeError(f"{name!r} is not a register{did_you_mean(name, settable())}") from None
    return names


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


def check_combinations(chosen: argparse.Namespace) -> None:
    """Refuse options that do not go together.

    Raises:
        MagicError: The first of `COMBINATIONS` that does not hold.
    """
    for rule in COMBINATIONS:
        if not _is_given(chosen, rule.option):
            continue
        others = [name for name in rule.excludes if _is_given(chosen, name)]
        if others or (rule.needs and not _is_given(chosen, rule.needs)):
            value = getattr(chosen, rule.option)
            first = value[0] if isinstance(value, list) else value
            raise errors.MagicError(rule.message.format(value=first, other="".join(others[:1])))


def _is_given(chosen: argparse.Namespace, name: str) -> bool:
    """Whether an option stands on the line; an empty text is one that does."""
    value = getattr(chosen, name)
    return value is not None and value is not False and value != {} and value != []


def help_text() -> str:
    """What `%%asm --help` and `%%asm?` show, made from the parser itself."""
    examples = "\n".join(f"  %%asm {line}\n      {about}" for line, about in EXAMPLES)
    return (
        "Assemble the cell, run it on the processor in a process of its own, and show what happened.\n\n"
        f"{_parser().format_help()}\nexamples:\n{examples}\n\n"
        "The program sees copies: a variable keeps its value, the new bytes are in outcome.buffers['name'].\n"
        "Text is given as UTF-8 with a zero byte behind it.\n"
    )
