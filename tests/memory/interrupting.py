"""Raises at one chosen instruction of the manager's own code, and at a second one on the way out.

A tracer is asked before every instruction of `execmem_kernel/memory` and `execmem_kernel/linux`. Left out are the
instructions between the end of a `with` block and the call of its `__exit__`, and those between a store and the return
behind it: CPython looks for signals and asynchronous exceptions where a function or a loop begins and where a call has
ended (`CHECK_EVAL_BREAKER` in Python/ceval.c), and so never there.
"""

from __future__ import annotations

import contextlib
import dis
import gc
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import execmem_kernel.linux
import execmem_kernel.memory
from execmem_kernel.memory.growth import Fixed
from execmem_kernel.memory.handle import ExecutableMemory
from execmem_kernel.memory.intervals import subtract
from execmem_kernel.memory.manager import CodeMemoryManager
from tests import kernel
from tests.kernel import RETURN_42

OURS = tuple(str(Path(package.__file__ or "").parent) for package in (execmem_kernel.memory, execmem_kernel.linux))

PURE = frozenset(("parse_mappings", "subtract", "gaps", "_reached", "_inside", "_roots", "_second_names", "name_of"))
"""Functions without an effect that take thousands of instructions: one place each, their beginning."""

_places: dict[CodeType, frozenset[int]] = {}


def left_out(code: CodeType) -> frozenset[int]:
    """Offsets at which no exception from outside can arrive, and must not: see above."""
    known = _places.get(code)
    if known is not None:
        return known
    steps = list(dis.get_instructions(code))
    found = set()
    for index, step in enumerate(steps):
        names = [each.opname for each in steps[index : index + 5]]
        if names[:3] == ["LOAD_CONST"] * 3 and all(each.argval is None for each in steps[index : index + 3]):
            found |= {each.offset for each in steps[index : index + 3 + names[3:].index("CALL") + 1]}
            if steps[index - 1].opname == "SWAP":
                found.add(steps[index - 1].offset)
        if step.opname == "NOP":
            found.add(step.offset)  # what a nested `try:` leaves, which may lie in no range of the exception table
        if step.opname == "WITH_EXCEPT_START":
            found |= {steps[index - 1].offset, step.offset}
        if code.co_name == "__enter__" and names[:3] == ["STORE_ATTR", "LOAD_FAST", "RETURN_VALUE"]:
            found |= {each.offset for each in steps[index + 1 : index + 3]}
    _places[code] = frozenset(found)
    return _places[code]


class Interrupter:
    """Raises an exception at the n-th instruction of ours, and once more so many instructions behind it."""

    def __init__(
        self, error: type[BaseException], first: int, second: int | None = None, within: tuple[str, ...] = OURS
    ) -> None:
        self.within = within
        self.error = error
        self.left: int | None = first
        self.second = second
        self.raised = 0
        self.where = ""

    def _event(self, frame: FrameType, event: str, _argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(self.within):
            return None
        if event == "call":
            frame.f_trace_lines = False
            frame.f_trace_opcodes = frame.f_code.co_name not in PURE
        elif event != "opcode" or frame.f_lasti in left_out(frame.f_code):
            return self._event
        if self.left is not None:
            if self.left == 0:
                self.left, self.second = self.second, None
                self.raised += 1
                self.where += f" {frame.f_code.co_qualname}+{frame.f_lasti} line {frame.f_lineno}"
                raise self.error
            self.left -= 1
        return self._event

    def _again(self, frame: FrameType, _event: str, _argument: object) -> None:
        """A tracer that has raised is not asked again: a profiler that does not raise has it asked again."""
        if self.left is not None and self.raised and sys.gettrace() is None:
            sys.settrace(self._event)
            if frame.f_code.co_filename.startswith(self.within):
                frame.f_trace, frame.f_trace_opcodes = self._event, True

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Raise within the block."""
        if self.second is not None:
            sys.setprofile(self._again)
        sys.settrace(self._event)
        try:
            yield
        finally:
            sys.setprofile(None)
            sys.settrace(None)


class Case(NamedTuple):
    """A verb, and what there must be before it."""

    name: str
    before: Callable[[CodeMemoryManager, dict[str, Any]], object]
    verb: Callable[[CodeMemoryManager, dict[str, Any]], object]


def _keep(name: str, **options: Any) -> Callable[[CodeMemoryManager, dict[str, Any]], object]:
    def before(manager: CodeMemoryManager, kept: dict[str, Any]) -> None:
        kept[name] = manager.allocate(
            options.get("what", RETURN_42), **{k: v for k, v in options.items() if k != "what"}
        )

    return before


def _none(_manager: CodeMemoryManager, _kept: dict[str, Any]) -> None:
    pass


def _warm(manager: CodeMemoryManager, _kept: dict[str, Any]) -> None:
    for _ in range(70):
        manager.allocate(RETURN_42).close()


def _pin(_manager: CodeMemoryManager, kept: dict[str, Any]) -> None:
    with kept["a"].pinned():
        pass


def _pin_and_close(_manager: CodeMemoryManager, kept: dict[str, Any]) -> None:
    with kept["a"].pinned():
        kept["a"].close()


def _scope(_manager: CodeMemoryManager, kept: dict[str, Any]) -> None:
    with kept["a"]:
        pass


def _store(name: str, make: Callable[[CodeMemoryManager, dict[str, Any]], Any]) -> Callable[..., object]:
    def verb(manager: CodeMemoryManager, kept: dict[str, Any]) -> None:
        kept[name] = make(manager, kept)

    return verb


def _handed_over(manager: CodeMemoryManager, kept: dict[str, Any]) -> None:
    kept["address"] = manager.allocate(RETURN_42).release()


CASES = [
    Case("allocate code", _warm, _store("b", lambda m, k: m.allocate(RETURN_42))),
    Case("allocate size", _keep("a"), _store("b", lambda m, k: m.allocate(100, name="x"))),
    Case("allocate the first slab", _none, _store("b", lambda m, k: m.allocate(RETURN_42))),
    Case("allocate one more slab", _keep("a", what=15 * 1024), _store("b", lambda m, k: m.allocate(15 * 1024))),
    Case("allocate pages of its own", _keep("a"), _store("b", lambda m, k: m.allocate(RETURN_42, pages=True))),
    Case("allocate empty pages", _none, _store("b", lambda m, k: m.allocate(5000, pages=True))),
    Case("allocate elsewhere", _keep("a"), _store("b", lambda m, k: m.allocate(RETURN_42, mapped=False))),
    Case("allocate at", _none, _store("b", lambda m, k: m.allocate(RETURN_42, address=0x2000_0000))),
    Case("allocate near", _keep("a"), _store("b", lambda m, k: m.allocate(RETURN_42, near=k["a"].address))),
    Case("write", _keep("a", what=64), lambda m, k: k["a"].write(RETURN_42)),
    Case("write pages", _keep("a", what=64, pages=True), lambda m, k: k["a"].write(RETURN_42)),
    Case("seal", _keep("a", what=64), lambda m, k: k["a"].seal()),
    Case("seal pages", _keep("a", what=64, pages=True), lambda m, k: k["a"].seal()),
    Case("seal elsewhere", _keep("a", what=64, mapped=False), lambda m, k: k["a"].seal()),
    Case("read", _keep("a"), lambda m, k: k["a"].read()),
    Case("pin", _keep("a"), _pin),
    Case("close while pinned", _keep("a", pages=True), _pin_and_close),
    Case("scope", _keep("a"), _scope),
    Case("move", _keep("a"), _store("b", lambda m, k: k["a"].move())),
    Case("hand over", _keep("a"), _store("address", lambda m, k: k["a"].release())),
    Case("adopt", _handed_over, _store("b", lambda m, k: m.adopt(k["address"]))),
    Case("release", _handed_over, lambda m, k: m.release(k["address"])),
    Case("close", _keep("a"), lambda m, k: k["a"].close()),
    Case("close pages", _keep("a", pages=True), lambda m, k: k["a"].close()),
    Case("close elsewhere", _keep("a", mapped=False), lambda m, k: k["a"].close()),
    Case("drop", _keep("a", pages=True), lambda m, k: k.pop("a") and None),
    Case("cleanup", _keep("a"), lambda m, k: m.cleanup()),
    Case("cleanup of pages", _keep("a", pages=True), lambda m, k: m.cleanup()),
    Case("statistics", _keep("a"), lambda m, k: m.statistics()),
    Case("snapshot", _keep("a"), lambda m, k: m.snapshot()),
    Case("events", _keep("a"), lambda m, k: m.events()),
    Case("audit", _keep("a"), lambda m, k: m.audit({})),
    Case("life of", _keep("a"), lambda m, k: m.life_of(k["a"])),
]  # fmt: skip


def attempt(case: Case, interrupter: Interrupter) -> bool:
    """Do the verb with an interrupt in it, and check that nothing is lost; whether the interrupt was raised at all."""
    if interrupter.second is not None:
        gc.collect()
    files, mapped = kernel.open_files(), kernel.mappings_of_ours()
    manager = CodeMemoryManager(growth=Fixed(16 * 1024))
    kept: dict[str, Any] = {}
    case.before(manager, kept)
    came = None
    try:
        with interrupter.at_work():
            case.verb(manager, kept)
    except interrupter.error as error:
        came = type(error)
        chain: BaseException | None = error
        while chain is not None:
            traceback.clear_frames(chain.__traceback__)
            chain.__traceback__, chain = None, chain.__context__
    if interrupter.raised > 1:
        gc.collect()  # what two exceptions have left in a cycle of tracebacks
    assert manager.lock.depth() == 0, "the lock is still taken"
    numbers = manager.statistics()
    assert numbers.payload + numbers.rounding + numbers.padding + numbers.metadata + numbers.free == numbers.reserved
    regions = manager.snapshot().regions
    assert len(regions) == numbers.live
    assert numbers.payload == sum(region.size for region in regions)
    assert all(region.state not in ("running", "closing") for region in regions), "a pin is left"
    assert sum(count for count, _ in numbers.by_cell.values()) == numbers.live
    born = [event for event in manager.events() if event.kind == "allocated"]
    assert numbers.total == len(born) or len(born) > 200, "the histogram of sizes counts what there was not"
    events = manager.events()
    assert (
        [event.sequence for event in events] == list(range(events[0].sequence, numbers.events + 1)) if events else True
    )
    if events:
        manual = sum(region.size for region in regions if region.owner == "manual")
        assert (events[-1].owned, events[-1].unowned - numbers.unmanaged) == (numbers.payload - manual, manual)
    assert kernel.open_files() - files == expected_files(manager), "a descriptor is lost"
    spans = sorted((each.address - each.guard, each.end + each.guard) for each in manager._regions() if each.mapped)
    there = [each for each in kernel.mappings_of_ours() if each not in mapped]
    assert not subtract([(each.start, each.end) for each in there], spans), "a mapping is lost"
    if len(manager.handles()) + sum(region.owner == "manual" for region in regions) < len(regions):
        manager.audit({})  # a finalizer was interrupted: this finds what it should have freed
    owners = [each for each in kept.values() if isinstance(each, ExecutableMemory) and not each.closed]
    owned = [region for region in manager.snapshot().regions if region.owner != "manual"]
    assert len(owners) == len(owned), "a region without an owner"
    for memory in owners:
        if memory.sealed and memory.read(0, 6) == RETURN_42 and memory._block.region.mapped:
            assert kernel.call(memory.address) == 42
    with manager.allocate(RETURN_42) as memory:
        assert kernel.call(memory.address) == 42
    for memory in owners:
        memory.close()
    kept.clear()
    manager.cleanup()
    left = manager.statistics()
    assert (left.live, left.reserved, left.stuck) == (0, 0, 0)
    assert kernel.mappings_of_ours() == mapped
    assert kernel.open_files() == files
    assert came is not None or interrupter.left is not None or interrupter.raised
    return interrupter.raised > 0


def expected_files(manager: CodeMemoryManager) -> int:
    """How many descriptors a manager's mappings need: two for what can be written, else one."""
    return sum((region.write_descriptor >= 0) + (region.read_descriptor >= 0) for region in manager._regions())


def sweep(
    case: Case, error: type[BaseException], step: int = 1, seconds: tuple[int, ...] = ()
) -> tuple[int, list[str]]:
    """Interrupt a verb at every so-manyth place, and each time again at some distances.

    Returns:
        How many places were tried, and what failed where.
    """
    tried, failures, first = 0, [], 0
    while True:
        reached = False
        for second in (None, *seconds):
            interrupter = Interrupter(error, first, second)
            try:
                reached |= attempt(case, interrupter)
            except Exception as failure:
                reached |= interrupter.raised > 0
                text = "".join(traceback.format_exception_only(failure)).strip().replace("\n", " ")[:150]
                where = traceback.extract_tb(failure.__traceback__)[-1]
                failures.append(f"{case.name}:{interrupter.where}: {text} ({Path(where.filename).name}:{where.lineno})")
                gc.collect()
            tried += 1
        if not reached:
            return tried, failures
        first += step
