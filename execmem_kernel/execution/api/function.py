"""`function`: assembly source and a C prototype in, a Python callable out."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Signature
from typing import Any, Literal, Self, overload

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import ProgramFault, PrototypeError
from execmem_kernel.execution.api import batch
from execmem_kernel.execution.contract.call import Call, Limits
from execmem_kernel.execution.contract.outcome import Outcome, Returned
from execmem_kernel.execution.engines.argument_places import with_arguments
from execmem_kernel.execution.engines.placed_run import run_in
from execmem_kernel.execution.values.prototype import Passed, Prototype
from execmem_kernel.execution.values.prototype_parser import parse_prototype
from execmem_kernel.memory.session import manager
from execmem_kernel.program.program import Program

WORTHWHILE = 4
"""Fewer cases than this are run apart: that takes no longer."""
CHECKED = 2
"""Cases of each process that are run again apart, to see whether its results can be believed."""
_DICE = random.SystemRandom()


class Function:
    """A callable for a program: every call runs it in a process of its own, as `run` does.

    A call returns what the prototype says, writes arrays back, and raises the `ProgramFault` that tells what went
    wrong where the program did not return.
    """

    engine = "isolated: a process of its own for every call"

    def __init__(self, program: Program, prototype: Prototype, limits: Limits, name: str) -> None:
        self.program = program
        self.prototype = prototype
        self.limits = limits
        self.name = name
        self.entry: int = program.labels.get(prototype.name, program.entry)
        """The label with the prototype's name, else where the program starts."""
        self._numeric = batch.NumericCases.of(prototype)
        self.outcome: Outcome | None = None
        """What the last call's run was like: registers, output, warnings."""
        self.__name__: str = prototype.name
        self.__qualname__: str = prototype.name
        self.__doc__ = prototype.text
        self.__signature__: Signature = prototype.signature

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if named:
            raise TypeError(f"{self.__name__}() takes no keyword arguments; give them in the prototype's order")
        return self._called(arguments, self.program)

    def _called(self, arguments: tuple[Any, ...], program: Program) -> Any:
        outcome, passed = self._run(arguments, program)
        self.outcome = outcome
        outcome.raise_for_fault()
        passed.write_back(outcome.buffers)
        return self._value(outcome)

    def _run(self, arguments: tuple[Any, ...], program: Program) -> tuple[Outcome, Passed]:
        passed = self.prototype.convert(arguments)
        call = with_arguments(Call(program=program, entry=self.entry, limits=self.limits), passed)
        return run_in(manager(), call, name=self.name), passed

    def session(self) -> FunctionSession:
        """Calls that share the program's data: each begins with what the last one left in .data and .bss.

            with counter.session() as counter:
                counter()

        Every call still has a process of its own, whose data start as the last one's ended: so calls cannot harm each
        other or the notebook, and are the same in every run. What lay elsewhere is gone with its process: memory that
        was asked for (`brk`, `mmap`, `malloc`), what the C library remembers, and arrays that were arguments. A call
        that does not return changes nothing: the next begins as it did.
        """
        return FunctionSession(self, _Data(self.program))

    def _value(self, outcome: Outcome) -> Any:
        registers = outcome.registers
        return self.prototype.value(registers["rax"], registers["xmm0"], lambda address: _text_at(outcome, address))

    def map(self, cases: Iterable[Any]) -> list[Any]:
        """Call it once for every case, in one process, each case as if it were the first.

        All arguments are read before the first call. What can be promised about results from one process stands in
        batch.py; a few cases, picked at random, are run again apart, and if one differs, all are.

        Args:
            cases: A tuple of arguments each; a single argument may stand alone.

        Returns:
            What each call returned, in order; where one did not return, the `ProgramFault` that it would have raised.
        """
        tuples = [case if isinstance(case, tuple) else (case,) for case in cases]
        if len(tuples) < WORTHWHILE or not batch.possible(self.program, self.prototype):
            return [self._apart(arguments) for arguments in tuples]
        results: list[Any] = []
        while len(results) < len(tuples):
            results += self._together(tuples[len(results) : len(results) + batch.MOST_CASES])
        return results

    def _together(self, cases: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The results of the first of these cases, as many as fit into one process."""
        together, passed = self._packed(cases)
        count = len(together.records)
        results: list[Any] = []
        while len(results) < count:
            values = self._results(together, cases, passed, len(results))
            if values is None:
                return [self._apart(arguments) for arguments in cases[:count]]
            results += values
            if len(results) < count:  # the next one did not return: its fault is explained where it runs by itself
                results.append(self._apart(cases[len(results)]))
        return results

    def _packed(self, cases: Sequence[tuple[Any, ...]]) -> tuple[batch.Batch, list[Passed]]:
        """The cases as the loop reads them, and as arguments; none of these for a function of numbers only."""
        records = None if self._numeric is None else self._numeric.records(cases)
        if records is not None:
            together = batch.Batch(self.program, self.entry, self.limits, {})
            together.add_records(records)
            return together, []
        passed = [self.prototype.convert(arguments) for arguments in cases]
        together = batch.Batch(self.program, self.entry, self.limits, batch.areas_for(passed))
        for one in passed:
            if together.full:
                break
            together.add(one)
        return together, passed

    def _results(
        self, together: batch.Batch, cases: Sequence[tuple[Any, ...]], passed: Sequence[Passed], first: int
    ) -> list[Any] | None:
        """What the cases from `first` on returned, up to the first that did not; None where that cannot be believed."""
        raw = together.run(manager(), first, self.name)
        if raw is None:
            return None
        left: list[batch.CaseResult] = []
        if self._numeric is not None and not passed:
            values = self._numeric.values(raw)
        else:
            left = list(together.read(raw, first))
            values = [self.prototype.value(one.rax, one.xmm0, lambda _: None) for one in left]
        for index, (case, after) in enumerate(zip(passed[first:], left, strict=False)):
            const = [name for name, one in case.buffers.items() if not one.writable]
            if any(after.buffers[name] != case.buffers[name].data for name in const) or case.wrote_const(after.buffers):
                values[index] = self._apart(cases[first + index])  # it wrote to what is const, which is a fault
        for index in _DICE.sample(range(len(values)), min(CHECKED, len(values))):
            if isinstance(values[index], ProgramFault):
                continue
            if not self._agrees(cases[first + index], values[index], left[index].buffers if left else {}):
                return None
        for value, case, after in zip(values, passed[first:], left, strict=False):
            if not isinstance(value, ProgramFault):
                case.write_back(after.buffers)
        return values

    def _apart(self, arguments: tuple[Any, ...]) -> Any:
        """One case in a process of its own."""
        try:
            return self(*arguments)
        except ProgramFault as fault:
            return fault

    def _agrees(self, arguments: tuple[Any, ...], value: Any, buffers: Mapping[str, bytes]) -> bool:
        """Whether a case does the same in a process of its own; nothing is written back."""
        outcome, _ = self._run(arguments, self.program)
        if not isinstance(outcome, Returned):
            return False
        same = all(outcome.buffers[name] == data for name, data in buffers.items())
        return same and repr(self._value(outcome)) == repr(value)  # so that nan agrees with nan, and 0.0 not with -0.0

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self.program, self.prototype.text, self.limits, self.name)

    def __repr__(self) -> str:
        return f"<function {self.prototype.name}: {self.engine}>"


def _unpickled(program: Program, prototype: str, limits: Limits, name: str) -> Function:
    """A function as it was pickled; the outcome of its last call is not part of it."""
    return Function(program, parse_prototype(prototype), limits, name)


@dataclasses.dataclass(slots=True)
class _Data:
    """The program of a session, with its data as the last call left them."""

    program: Program
    open: bool = True

    def keep(self, segments: Mapping[str, bytes]) -> None:
        """The writable segments hold this from now on."""
        changed = tuple(
            dataclasses.replace(one, data=segments[one.name]) if one.name in segments else one
            for one in self.program.segments
        )
        self.program = dataclasses.replace(self.program, segments=changed)


class FunctionSession:
    """A function of a session; `Function.session` says what its calls share."""

    def __init__(self, function: Function, data: _Data) -> None:
        self._function = function
        self._data = data
        self.prototype: Prototype = function.prototype
        self.__name__: str = function.__name__
        self.__qualname__: str = function.__name__
        self.__doc__ = function.__doc__
        self.__signature__: Signature = function.__signature__

    @property
    def outcome(self) -> Outcome | None:
        """What the last call's run was like."""
        return self._function.outcome

    def __call__(self, *arguments: Any) -> Any:
        if not self._data.open:
            raise ValueError(
                f"the session of {self.__name__}() has ended; begin another: with function.session() as f:"
            )
        function = self._function
        value = function._called(arguments, self._data.program)
        assert function.outcome is not None
        self._data.keep(function.outcome.segments)
        return value

    def function(self, prototype: str) -> FunctionSession:
        """Another function of the same program, on the same data.

        Raises:
            PrototypeError: The prototype cannot be read, or the program has no label of its name.
        """
        proto = parse_prototype(prototype)
        first = self._function
        if proto.name not in first.program.labels:
            raise PrototypeError(f"the program has no label {proto.name!r}")
        return FunctionSession(Function(first.program, proto, first.limits, proto.name), self._data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._data.open = False

    def __repr__(self) -> str:
        return f"<function {self.prototype.name}: {self._function.engine}, in a session>"


def _text_at(outcome: Outcome, address: int) -> bytes | None:
    """A C string in what a program left behind: in a buffer, or among its constants."""
    for name, data in outcome.buffers.items():
        start, end = outcome.places[name]
        if start <= address < end:
            return data[address - start :].partition(b"\0")[0]
    for segment in outcome.program.segments:
        if segment.address <= address < segment.end:
            return segment.data[address - segment.address :].partition(b"\0")[0]
    return None


@overload
def function(
    source: str | Program,
    prototype: str,
    *,
    native: Literal[False] = False,
    name: str | None = None,
    timeout_s: float | None = None,
    limits: Limits | None = None,
    syntax: Literal["intel", "att"] = "intel",
) -> Function: ...
@overload
def function(
    source: str | Program,
    prototype: str,
    *,
    native: Literal[True],
    name: str | None = None,
    timeout_s: float | None = None,
    limits: Limits | None = None,
    syntax: Literal["intel", "att"] = "intel",
) -> Callable[..., Any]: ...
@overload
def function(
    source: str | Program,
    prototype: str,
    *,
    native: bool,
    name: str | None = None,
    timeout_s: float | None = None,
    limits: Limits | None = None,
    syntax: Literal["intel", "att"] = "intel",
) -> Function | Callable[..., Any]: ...
def function(
    source: str | Program,
    prototype: str,
    *,
    native: bool = False,
    name: str | None = None,
    timeout_s: float | None = None,
    limits: Limits | None = None,
    syntax: Literal["intel", "att"] = "intel",
) -> Function | Callable[..., Any]:
    """A Python callable for assembly that follows the C calling convention.

        add = function("lea rax, [rdi + rsi]\\nret", "int64_t add(int64_t a, int64_t b)")
        add(40, 2)

    Args:
        source: Assembly source, or what `assemble` made of it.
        prototype: Its C prototype; structs it points to are defined before it in the same text.
        native: Call it inside this process instead, as fast as a builtin. Faults become exceptions there too, but a
            wild write can destroy the process.
        name: What the memory manager calls its region; the prototype's name if not given.
        timeout_s: Seconds a call may take; 2 unless `limits` says otherwise. A native call is ended by an interrupt.
        limits: All limits at once.
        syntax: Which syntax the source has.

    Returns:
        A `Function`, or with `native` a builtin whose `__self__` is a `NativeCode`.

    Raises:
        AssemblyError: The source is wrong; every wrong line is named.
        PrototypeError: The prototype cannot be read.
        ValueError: The source has no instruction.
        EngineUnavailableError: Natively: the program needs what only a process of its own has.
    """
    proto = parse_prototype(prototype)
    program = source if isinstance(source, Program) else assemble(source, syntax=syntax)
    if not program.code:
        raise ValueError("there is nothing to call: the source has no instruction; the shortest function is `ret`")
    if native:
        from execmem_kernel.execution.native.function import native_function

        return native_function(program, proto, name=name)
    limits = limits or Limits()
    if timeout_s is not None:
        limits = dataclasses.replace(limits, wall_s=timeout_s)
    return Function(program, proto, limits, name or proto.name)
