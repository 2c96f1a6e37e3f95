"""What we think we hold against what the kernel has mapped: who owns each executable byte of this process.

    scoped      a `with` statement holds it open, and will free it
    reachable   a handle exists, but no scope: a variable, `Out[3]`, a traceback keeps it alive
    lost        handed to a manual owner, who has not given it back
    foreign     executable memory that no handle owns: mapped past this package, or by `allocate_unmanaged`
    vanished    ours by our books, and not in the kernel's list: somebody unmapped it under us

Files (libraries, the interpreter) and the kernel's own pages are not foreign. /proc/self/maps is handed over a few
kilobytes at a time and may be torn by other threads, so only what two reads agree on is believed.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter_ns
from types import FrameType, FunctionType, ModuleType, TracebackType
from typing import Literal

from execmem_kernel import linux
from execmem_kernel.errors import LeakError
from execmem_kernel.memory import places
from execmem_kernel.memory.manager import CodeMemoryManager, all_held, manager
from execmem_kernel.memory.region import Block, ExecutableMemory, format_size

Kind = Literal["scoped", "reachable", "lost", "foreign", "vanished"]

_SENTENCES: Mapping[Kind, str] = {
    "scoped": "owned by an open scope",
    "reachable": "in no scope, kept alive",
    "lost": "lost: handed to a manual owner and not given back",
    "foreign": "owned by nobody",
    "vanished": "unmapped by somebody else",
}

_READS = 8
_DEPTH, _CALL_DEPTH = 5, 3
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_OBJECTS = 20_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One piece of executable memory, and who answers for it."""

    kind: Kind
    name: str | None
    cell: str | None
    """Where it was allocated; None where nobody told us."""
    line: int | None
    size: int
    held_by: tuple[str, ...] = ()
    """What keeps a reachable one alive: "variable add", "Out[3]", "a traceback, in f"."""
    sequence: int = field(default=0, repr=False, compare=False)
    address: int = field(default=0, repr=False, compare=False)
    age_s: float | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        where = (
            "" if self.cell is None else f", allocated in {self.cell}" + (f", line {self.line}" if self.line else "")
        )
        held = f" by {', '.join(self.held_by)}" if self.held_by else ""
        return f"{self.name or 'no name'}, {format_size(self.size)}{where}: {_SENTENCES[self.kind]}{held}"


@dataclass(frozen=True, slots=True)
class LeakReport:
    """The findings of one audit; true where something outlives its scope."""

    findings: tuple[Finding, ...]
    elsewhere: tuple[str, ...] = field(default=(), compare=False)
    """What other managers of this process own, by name: the machine code that this package itself needs among it."""

    def of(self, kind: Kind) -> tuple[Finding, ...]:
        """The findings of one kind."""
        return tuple(finding for finding in self.findings if finding.kind == kind)

    @property
    def scoped(self) -> tuple[Finding, ...]:
        return self.of("scoped")

    @property
    def reachable(self) -> tuple[Finding, ...]:
        return self.of("reachable")

    @property
    def lost(self) -> tuple[Finding, ...]:
        return self.of("lost")

    @property
    def foreign(self) -> tuple[Finding, ...]:
        return self.of("foreign")

    @property
    def vanished(self) -> tuple[Finding, ...]:
        return self.of("vanished")

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """Everything that no open scope answers for."""
        return tuple(finding for finding in self.findings if finding.kind != "scoped")

    def __bool__(self) -> bool:
        return bool(self.leaks)

    def __str__(self) -> str:
        if not self.findings:
            return "no executable memory outside the libraries: nothing leaks"
        return "\n".join(str(finding) for finding in self.findings)


def audit(books: CodeMemoryManager, namespace: Mapping[str, object] | None = None) -> LeakReport:
    """Look at everything a manager holds and everything the kernel has mapped.

    Args:
        books: Whose books to check; the regions of other managers are nobody's leaks here.
        namespace: The user's variables, to say what keeps a region alive; by default the notebook's, or __main__'s.
    """
    if namespace is None:
        namespace = places.namespace if places.namespace is not None else vars(sys.modules["__main__"])
    handles = [
        each
        for each in gc.get_objects()
        if type(each) is ExecutableMemory and not each.closed and each._manager is books
    ]
    loose = [handle for handle in handles if not handle._block.scopes and not handle._block.pins]
    by_handle = holders(loose, namespace)
    held = {id(handle._block): by_handle[id(handle)] for handle in loose}
    now = perf_counter_ns()
    findings = []
    with all_held() as managers:
        books._end_forgotten()
        blocks = sorted(books._live.values(), key=lambda block: block.sequence)
        executable, everything = _believable()
        books._forget_unmapped(everything)
        unmanaged = sorted(books._unmanaged.values(), key=lambda block: block.sequence)
        owned = [(region.address, region.end) for each in managers for region in each._regions()]
        others = [block for each in managers if each is not books for block in each._live.values()]
    foreign = _without(executable, owned)
    for block in blocks:
        kind: Kind = "scoped" if block.scopes or block.pins else "lost" if block.manual else "reachable"
        if block.region.mapped and _without([(block.address, block.address + block.capacity)], everything):
            kind = "vanished"
        held_by = held.get(id(block), ()) if kind == "reachable" else ()
        findings.append(_finding(kind, block, now, held_by))
    for block in unmanaged:
        own = (block.address, block.address + block.capacity)
        rest = _without(foreign, [own])
        left = _total(foreign) - _total(rest)
        foreign = rest
        findings.append(_finding("foreign", block, now, size=left))
    findings += [Finding("foreign", None, None, None, end - start, address=start) for start, end in foreign]
    elsewhere = tuple(sorted(f"{block.name or 'no name'}, {format_size(block.size)}" for block in others))
    return LeakReport(tuple(findings), elsewhere)


def _finding(kind: Kind, block: Block, now: int, held_by: tuple[str, ...] = (), size: int | None = None) -> Finding:
    return Finding(
        kind=kind,
        name=block.name,
        cell=places.name_of(block.cell, block.caught),
        line=places.line_in(block.cell, block.caught),
        size=block.size if size is None else size,
        held_by=held_by,
        sequence=block.sequence,
        address=block.address,
        age_s=(now - block.born_ns) / 1e9,
    )


# ---- the kernel's list

Interval = tuple[int, int]


def _believable() -> tuple[list[Interval], list[Interval]]:
    """Executable mappings of no file, and all mappings: what two reads in a row agree on.

    Where they never agree (threads map and unmap all the time), the executable ones are those that are in the last
    two reads, and the others those that are in either.
    """
    reads = [linux.mappings()]
    for _ in range(_READS):
        reads.append(linux.mappings())
        if reads[-1] == reads[-2]:
            break
    older, newer = reads[-2:]
    executable, before = (
        [(mapping.start, mapping.end) for mapping in read if is_ownerless_code(mapping)] for read in (newer, older)
    )
    both = _without(executable, _without(executable, before))
    return both, [(mapping.start, mapping.end) for mapping in (*older, *newer)]


def is_ownerless_code(mapping: linux.KernelMapping) -> bool:
    """Whether a mapping can be executed, and is neither a library or program on disk nor the kernel's own."""
    if "x" not in mapping.protection or mapping.path in ("[vdso]", "[vsyscall]", "[uprobes]"):
        return False
    path = mapping.path
    if not path.startswith("/") or path.startswith(("/memfd:", "/dev/zero", "/SYSV")):
        return True
    return path.endswith(" (deleted)") and ".so" not in path


def _without(intervals: Iterable[Interval], taken: Iterable[Interval]) -> list[Interval]:
    """The parts of some intervals that are in none of the others."""
    left = []
    obstacles = sorted(taken)
    for start, end in intervals:
        for low, high in obstacles:
            if high <= start or low >= end:
                continue
            if low > start:
                left.append((start, low))
            start = high
            if start >= end:
                break
        if start < end:
            left.append((start, end))
    return left


def _total(intervals: Iterable[Interval]) -> int:
    return sum(end - start for start, end in intervals)


# ---- who keeps a handle alive


def holders(handles: Iterable[ExecutableMemory], namespace: Mapping[str, object]) -> dict[int, tuple[str, ...]]:
    """What keeps each handle alive, in words, by the handle's id.

    The search goes down from the roots that a reader can name: variables, `Out[n]`, the last traceback, running
    calls; through containers, closures and attributes, a few levels deep.
    """
    found: dict[int, dict[str, None]] = {id(handle): {} for handle in handles}
    if found:
        for label, root, depth in _roots(namespace):
            for number in _reached(root, set(found), depth, namespace):
                found[number][label] = None
    nameless = {number for number, labels in found.items() if not labels}
    if nameless:
        for label, root in _second_names(namespace):
            for number in _reached(root, nameless, _DEPTH, namespace):
                found[number][label] = None
    return {number: tuple(labels) or ("something without a name",) for number, labels in found.items()}


_SHELL_NAMES = frozenset(("In", "exit", "get_ipython", "open", "quit"))
"""What IPython itself puts among the variables: the way from them to its own books is nobody's reference."""


def _roots(namespace: Mapping[str, object]) -> Iterator[tuple[str, object, int]]:
    """Where to look, and how deep: a call's variables belong to whatever runs the cell as well, so not very."""
    out = namespace.get("Out")
    for name, value in list(namespace.items()):
        if not name.startswith("_") and value is not out and name not in _SHELL_NAMES:
            yield f"variable {name}", value, _DEPTH
    if isinstance(out, dict):
        for number, value in list(out.items()):
            yield f"Out[{number}]", value, _DEPTH
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    trace: TracebackType | None = getattr(error, "__traceback__", None) or getattr(sys, "last_traceback", None)
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        if frame.f_locals is not frame.f_globals:
            yield f"a traceback, in {frame.f_code.co_name}", dict(frame.f_locals), _CALL_DEPTH
    for running in list(sys._current_frames().values()):
        each: FrameType | None = running
        while each is not None:
            if each.f_locals is not each.f_globals and not places.is_ours(each.f_code):
                yield f"a running call of {each.f_code.co_name}", dict(each.f_locals), _CALL_DEPTH
            each = each.f_back
        del running  # this very frame is one of them, and would keep itself alive, with the traceback


def _second_names(namespace: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Where to look for what has no better name: `_`, `_7`, and the variables of the user's own modules."""
    for name, value in list(namespace.items()):
        if name.startswith("_"):
            yield f"variable {name}", value
    for title, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and vars(module) is not namespace and not file.startswith(_INSTALLED) and not places.is_own_file(file):
            for name, value in list(vars(module).items()):
                yield f"variable {title}.{name}", value


def _reached(root: object, wanted: set[int], depth: int, namespace: object) -> set[int]:
    """Which of the wanted objects can be got at from a root, without going through all variables at once."""
    hits: set[int] = set()
    seen = {id(namespace)}
    level = [root]
    for _ in range(depth):
        following: list[object] = []
        for each in level:
            if id(each) in wanted:
                hits.add(id(each))
            elif gc.is_tracked(each) and id(each) not in seen and len(seen) < _OBJECTS:
                seen.add(id(each))
                following.extend(_inside(each))
        level = following
    return hits


def _inside(each: object) -> list[object]:
    """What an object holds of its own: not its class, not the globals of its module."""
    if isinstance(each, type | ModuleType | CodeMemoryManager):
        return []
    if isinstance(each, FunctionType):
        return [*(each.__closure__ or ()), *(each.__defaults__ or ())]
    if isinstance(each, FrameType):
        return [] if each.f_locals is each.f_globals else list(each.f_locals.values())
    return gc.get_referents(each)


# ---- for tests and assignments


@contextlib.contextmanager
def assert_no_leaks(books: CodeMemoryManager | None = None) -> Iterator[None]:
    """Fail if executable memory allocated inside the block outlives it, ours or anybody's.

    Args:
        books: The manager to watch; the session's own by default.

    Raises:
        LeakError: Names every piece, where it was allocated, and what keeps it alive.
    """
    books = books or manager()
    before = [(finding.address, finding.address + finding.size) for finding in audit(books).foreign]
    first = books.statistics().events
    yield
    gc.collect()
    left = []
    for finding in audit(books).findings:
        if finding.kind == "foreign":
            size = _total(_without([(finding.address, finding.address + finding.size)], before))
            if size:
                left.append(replace(finding, size=size))
        elif finding.sequence > first:
            left.append(finding)
    if left:
        raise LeakError("executable memory outlives this block:\n" + "\n".join(str(finding) for finding in left))
