"""What a manager holds against what the kernel has mapped: who owns each executable byte of this process.

    scoped      a `with` statement holds it open, and will free it
    reachable   a handle exists, but no scope: a variable, `Out[3]`, a traceback keeps it alive
    lost        handed to a manual owner, who has not given it back
    foreign     executable memory that no handle owns: mapped past this package, or by `allocate_unmanaged`
    vanished    recorded by the manager, and not in the kernel's list: it was unmapped past us

Files (libraries, the interpreter) and the kernel's own pages are not foreign. /proc/self/maps is handed over a few
kilobytes at a time and may be torn by other threads, so only what two reads agree on is believed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory import callsites, registry
from execmem_kernel.memory.handle import ExecutableMemory, block_of
from execmem_kernel.memory.holders import holders
from execmem_kernel.memory.intervals import Interval, subtract, total_size
from execmem_kernel.memory.registry import Lockable
from execmem_kernel.memory.values import Finding, FindingKind, Inventory, LeakReport, RegionState
from execmem_kernel.wording import format_size

_READS = 8
"""Reads of the kernel's list until two in a row agree."""


def audit(manager: Lockable, namespace: Mapping[str, object] | None = None) -> LeakReport:
    """Look at everything a manager holds and everything the kernel has mapped.

    Args:
        manager: Whose memory to look at; what other managers hold is no leak here.
        namespace: The user's variables, to say what keeps a region alive; by default the notebook's, or __main__'s.
    """
    if namespace is None:
        namespace = callsites.namespace if callsites.namespace is not None else vars(sys.modules["__main__"])
    held_by = _holders_of_unscoped(manager, namespace)

    def compared(managers: list[Lockable]) -> tuple[Inventory, list[Inventory], list[Interval], list[Interval]]:
        # What is held is asked first: it frees the blocks of dropped handles, which must not be in the kernel's list.
        inventory = manager.inventory()
        others = [each.inventory() for each in managers if each is not manager]
        executable, everything = _believable()
        manager.drop_unmapped(everything)
        return inventory, others, executable, everything

    inventory, others, executable, everything = registry.with_all_held(compared)
    findings = [_finding(_kind_of(region, inventory, everything), region, held_by) for region in inventory.blocks]
    foreign = subtract(executable, [each for held in (inventory, *others) for each in held.mappings])
    for pages in inventory.unmanaged:
        if any(start <= pages.address < end for start, end in everything):
            rest = subtract(foreign, [(pages.address, pages.address + pages.size)])
            findings.append(replace(pages, size=total_size(foreign) - total_size(rest)))
            foreign = rest
    findings += [Finding("foreign", None, None, None, end - start, address=start) for start, end in foreign]
    elsewhere = [f"{each.name or 'no name'}, {format_size(each.size)}" for held in others for each in held.blocks]
    return LeakReport(tuple(findings), tuple(sorted(elsewhere)))


def _holders_of_unscoped(manager: Lockable, namespace: Mapping[str, object]) -> dict[int, tuple[str, ...]]:
    """What keeps each block alive that no scope and no running call holds, by the block's sequence number."""
    handles = [each for each in manager.handles() if isinstance(each, ExecutableMemory)]
    unscoped = [handle for handle in handles if not block_of(handle).scopes and not block_of(handle).running]
    found = holders(unscoped, namespace, registry.members())
    return {block_of(handle).sequence: found[id(handle)] for handle in unscoped}


def _kind_of(region: RegionState, inventory: Inventory, mapped: Iterable[Interval]) -> FindingKind:
    here = region.sequence not in inventory.elsewhere
    if here and subtract([(region.address, region.address + region.capacity)], mapped):
        return "vanished"
    if region.sequence in inventory.scoped:
        return "scoped"
    return "lost" if region.owner == "manual" else "reachable"


def _finding(kind: FindingKind, region: RegionState, held_by: Mapping[int, tuple[str, ...]]) -> Finding:
    return Finding(
        kind=kind,
        name=region.name,
        cell=region.cell,
        line=region.line,
        size=region.size,
        held_by=held_by.get(region.sequence, ()) if kind == "reachable" else (),
        sequence=region.sequence,
        address=region.address,
        age_s=region.age_s,
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
        [(mapping.start, mapping.end) for mapping in read if is_ownerless_code(mapping, read)]
        for read in (newer, older)
    )
    both = subtract(executable, subtract(executable, before))
    return both, [(mapping.start, mapping.end) for mapping in (*older, *newer)]


def is_ownerless_code(mapping: linux_memory.KernelMapping, beside: Sequence[linux_memory.KernelMapping] = ()) -> bool:
    """Whether a mapping can be executed, and is neither a library or program on disk nor the kernel's own.

    A library that was replaced on disk while it is loaded is deleted too, but its data are mapped as well.

    Args:
        mapping: Which.
        beside: All mappings of the process.
    """
    if "x" not in mapping.protection or mapping.path in ("[vdso]", "[vsyscall]", "[uprobes]"):
        return False
    path = mapping.path
    if not path.startswith("/") or path.startswith(("/memfd:", "/dev/zero", "/SYSV")):
        return True
    if "w" in mapping.protection:
        return True
    data = any(each.inode == mapping.inode and "x" not in each.protection for each in beside)
    return path.endswith(" (deleted)") and not (".so" in path and data)
