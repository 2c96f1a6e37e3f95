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

import gc
import sys
from collections.abc import Mapping
from time import perf_counter_ns

from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory import callsites
from execmem_kernel.memory.block import Block
from execmem_kernel.memory.handle import ExecutableMemory
from execmem_kernel.memory.holders import holders
from execmem_kernel.memory.intervals import Interval, subtract, total_size
from execmem_kernel.memory.manager import CodeMemoryManager
from execmem_kernel.memory.registry import all_held
from execmem_kernel.memory.values import Finding, FindingKind, LeakReport
from execmem_kernel.wording import format_size

_READS = 8


def audit(books: CodeMemoryManager, namespace: Mapping[str, object] | None = None) -> LeakReport:
    """Look at everything a manager holds and everything the kernel has mapped.

    Args:
        books: Whose books to check; the regions of other managers are nobody's leaks here.
        namespace: The user's variables, to say what keeps a region alive; by default the notebook's, or __main__'s.
    """
    if namespace is None:
        namespace = callsites.namespace if callsites.namespace is not None else vars(sys.modules["__main__"])
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
    foreign = subtract(executable, owned)
    for block in blocks:
        kind: FindingKind = "scoped" if block.scopes or block.pins else "lost" if block.manual else "reachable"
        if block.region.mapped and subtract([(block.address, block.address + block.capacity)], everything):
            kind = "vanished"
        held_by = held.get(id(block), ()) if kind == "reachable" else ()
        findings.append(_finding(kind, block, now, held_by))
    for block in unmanaged:
        own = (block.address, block.address + block.capacity)
        rest = subtract(foreign, [own])
        left = total_size(foreign) - total_size(rest)
        foreign = rest
        findings.append(_finding("foreign", block, now, size=left))
    findings += [Finding("foreign", None, None, None, end - start, address=start) for start, end in foreign]
    elsewhere = tuple(sorted(f"{block.name or 'no name'}, {format_size(block.size)}" for block in others))
    return LeakReport(tuple(findings), elsewhere)


def _finding(
    kind: FindingKind, block: Block, now: int, held_by: tuple[str, ...] = (), size: int | None = None
) -> Finding:
    return Finding(
        kind=kind,
        name=block.name,
        cell=callsites.name_of(block.cell, block.caught),
        line=callsites.line_in(block.cell, block.caught),
        size=block.size if size is None else size,
        held_by=held_by,
        sequence=block.sequence,
        address=block.address,
        age_s=(now - block.born_ns) / 1e9,
    )


def _believable() -> tuple[list[Interval], list[Interval]]:
    """Executable mappings of no file, and all mappings: what two reads in a row agree on.

    Where they never agree (threads map and unmap all the time), the executable ones are those that are in the last
    two reads, and the others those that are in either.
    """
    reads = [linux_memory.mappings()]
    for _ in range(_READS):
        reads.append(linux_memory.mappings())
        if reads[-1] == reads[-2]:
            break
    older, newer = reads[-2:]
    executable, before = (
        [(mapping.start, mapping.end) for mapping in read if is_ownerless_code(mapping)] for read in (newer, older)
    )
    both = subtract(executable, subtract(executable, before))
    return both, [(mapping.start, mapping.end) for mapping in (*older, *newer)]


def is_ownerless_code(mapping: linux_memory.KernelMapping) -> bool:
    """Whether a mapping can be executed, and is neither a library or program on disk nor the kernel's own."""
    if "x" not in mapping.protection or mapping.path in ("[vdso]", "[vsyscall]", "[uprobes]"):
        return False
    path = mapping.path
    if not path.startswith("/") or path.startswith(("/memfd:", "/dev/zero", "/SYSV")):
        return True
    return path.endswith(" (deleted)") and ".so" not in path
