"""Causes of stops inside the C library: which line called what, and with which arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from execmem_kernel.errors import NotRecordedError
from execmem_kernel.execution.contract.cause import Cause, Explanation
from execmem_kernel.execution.contract.signal_codes import SEGV_ACCERR, SEGV_MAPERR
from execmem_kernel.execution.contract.trace import Trace
from execmem_kernel.program.program import ListingRow
from execmem_kernel.wording import listed
from execmem_kernel.x86.registers import DIRECTION_FLAG

_PAST = 0x1000
"""How far behind where an argument points a function is still taken to have gone astray from there."""
_NEAR = 0x1_0000
"""How far below its end a stack is left by a function of the library that finds it full."""

_ARGUMENTS: Mapping[str, int] = MappingProxyType(
    {
        name: count
        for count, names in (
            (0, "rand random getchar abort getpid"),
            (
                1,
                "puts putchar strlen free malloc exit abs labs atoi atol atof toupper tolower isalpha isdigit "
                "isspace isupper islower isalnum fflush getenv strdup srand perror time usleep sleep gets",
            ),
            (
                2,
                "printf scanf strcmp strcpy strcat strchr strrchr strstr calloc realloc fputs fputc putc getc fgetc "
                "strpbrk strspn strcspn strtok strtod sprintf sscanf fprintf fscanf strsep strcasecmp",
            ),
            (
                3,
                "memcpy memmove memset memcmp strncmp strncpy strncat fgets strtol strtoul strtoll strtoull "
                "snprintf memchr write read strnlen strncasecmp",
            ),
            (4, "qsort fwrite fread"),
        )
        for name in names.split()
    }
)
"""How many arguments are worth showing: those in rdi, rsi, rdx, rcx."""


@dataclass(slots=True)
class LibraryCall:
    """A call into the C library, as a gate noted it or as the stack shows it."""

    function: str
    row: ListingRow | None
    """The listing's row that made the call."""
    stack: int
    """Where its return address lies."""
    arguments: Mapping[str, int]
    """The first registers of arguments; empty where only the stack shows the call."""


@dataclass(frozen=True, slots=True)
class LibraryStop:
    """A stop inside the library."""

    signal: str
    """"SIGSEGV", "SIGABRT", ..."""
    code: int
    """si_code."""
    address: int
    """si_addr."""
    registers: Mapping[str, int]
    stack_start: int
    """Where the program's stack begins."""
    thread_pointer: int
    """What the loader has set fs's base to."""
    describe: Callable[[int], str]

    @property
    def accessed(self) -> int | None:
        """The address of a page fault; None for one that no page could ever have, which is not reported."""
        in_memory = self.signal in ("SIGSEGV", "SIGBUS") and self.code in (SEGV_MAPERR, SEGV_ACCERR)
        return self.address if in_memory else None


def explain_stop(stop: LibraryStop, call: LibraryCall | None) -> Explanation:
    """Why a program was stopped inside the library: the first rule that fits.

    Args:
        stop: What is known of it.
        call: The call that it happened in; None where that is not known.
    """
    if call is None:
        cause = Cause("library-fault", f"inside the C library: stopped by {stop.signal}")
        return Explanation(cause, None, stop.accessed)
    for rule in _RULES:
        cause_ = rule(stop, call)
        if cause_ is not None:
            return Explanation(cause_, call.row, stop.accessed)
    return Explanation(_fault(stop, call), call.row, stop.accessed)


def _misaligned(stop: LibraryStop, call: LibraryCall) -> Cause | None:
    if call.stack & 15 == 8 or stop.accessed is not None or stop.signal not in ("SIGSEGV", "SIGBUS"):
        return None
    name = call.function
    return Cause(
        "misaligned-call",
        f"calls {name} with rsp not a multiple of 16, and {name} uses instructions that need it to be",
        MappingProxyType({"rsp": call.stack + 8}),
        "`sub rsp, 8` before the call, `add rsp, 8` after it; in a function that has pushed an odd number of "
        "registers the stack is aligned already",
    )


def _stack_is_full(stop: LibraryStop, call: LibraryCall) -> Cause | None:
    accessed, rsp, start = stop.accessed, stop.registers["rsp"], stop.stack_start
    if accessed is None or not start - _NEAR <= accessed < start or rsp >= start + _NEAR:
        return None
    return Cause(
        "stack-overflow",
        f"calls {call.function} when the stack is full: too many calls or pushes that nothing took back",
        MappingProxyType({"rsp": rsp}),
        "a function that calls itself needs a case in which it does not",
    )


def _thread_pointer_lost(stop: LibraryStop, call: LibraryCall) -> Cause | None:
    if stop.thread_pointer == stop.registers["fs_base"]:
        return None
    return Cause(
        "fs-base",
        f"calls {call.function} after fs's base was changed, and the C library keeps its own data there",
        look_at="leave fs and its base (`wrfsbase`) to the C library",
    )


def _direction(stop: LibraryStop, call: LibraryCall) -> Cause | None:
    if not stop.registers["rflags"] & DIRECTION_FLAG:
        return None
    return Cause(
        "direction-flag",
        f"calls {call.function} with the direction flag set, and C functions need it clear",
        look_at="`cld` before the call",
    )


_RULES = (_misaligned, _stack_is_full, _thread_pointer_lost, _direction)
"""Tried in this order; where none fits, the arguments are to blame."""


def _fault(stop: LibraryStop, call: LibraryCall) -> Cause:
    shown = ("rdi", "rsi", "rdx", "rcx")[: _ARGUMENTS.get(call.function, 2)]
    given = {register: call.arguments[register] for register in shown if register in call.arguments}
    sentence = f"inside {call.function}"
    if given:
        sentence += ", called with " + ", ".join(f"{name} = {stop.describe(value)}" for name, value in given.items())
    if stop.accessed is not None:
        problem = "is not memory of the program" if stop.code == SEGV_MAPERR else "is mapped, but not for that"
        sentence += f": {stop.describe(stop.accessed)} {problem}"
    elif stop.signal != "SIGSEGV":
        sentence += f": stopped by {stop.signal}"
    return Cause("library-fault", sentence, MappingProxyType(given), _advice(call.function, given))


def with_origins(found: Explanation, trace: Trace | None) -> Explanation:
    """The same explanation with the line that set the argument at fault, where the steps of the run tell.

    Args:
        found: A stop inside the library.
        trace: The steps up to it; None where they are not known.
    """
    if trace is None or found.cause.name != "library-fault" or found.accessed is None:
        return found
    near = {name: value for name, value in found.cause.evidence.items() if 0 <= found.accessed - value < _PAST}
    told = []
    for name in near or (found.cause.evidence if len(found.cause.evidence) == 1 else ()):
        try:
            step = trace.last_write(name)
        except NotRecordedError:
            continue
        if step is None:
            told.append(f"nothing has set {name}")
        elif step.line is not None:
            told.append(f"{name} was set on line {step.line}")
        else:
            told.append(f"{name} is what {step.text} left there")
    if not told:
        return found
    sentence = f"{found.cause.sentence}; {listed(told)}"
    return replace(found, cause=replace(found.cause, sentence=sentence))


def _advice(function: str, given: Mapping[str, int]) -> str:
    null = next((register for register, value in given.items() if value == 0), None)
    if null is not None:
        return f"{null} is 0: {function} was given no memory there"
    return f"look at what {function} is given: pointers must lead to memory of the program, strings must end with a 0"


def explain_bad_callback(call: LibraryCall, target: int, describe: Callable[[int], str]) -> Explanation:
    """Why no code is where the library jumped to: it was given a bad address to call back.

    Args:
        call: The call that the library was in.
        target: Where it jumped.
        describe: How a number is shown.
    """
    register = next((name for name, value in reversed(list(call.arguments.items())) if value == target), None)
    given = "" if register is None else f", as {register} told it"
    cause = Cause(
        "bad-callback",
        f"{call.function} calls back {describe(target)}{given}, and no code is there",
        MappingProxyType({} if register is None else {register: target}),
        "give it the address of a function: `lea`, with the function's label",
    )
    return Explanation(cause, call.row, target)
