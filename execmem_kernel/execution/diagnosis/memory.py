"""Causes in memory operands: null pointers, addresses beside a buffer, read-only and misaligned memory."""

from __future__ import annotations

import re
from types import MappingProxyType

from execmem_kernel.execution.contract import address_map
from execmem_kernel.execution.contract.address_map import KERNEL_HALF, NULL_PAGE, canonical
from execmem_kernel.execution.contract.cause import Explanation
from execmem_kernel.execution.contract.details import Cause
from execmem_kernel.execution.contract.signal_codes import SEGV_ACCERR, SI_KERNEL
from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.wording import count_bytes

# ---- memory ----------------------------------------------------------------------------------------------------------


def write_to_code(scene: FaultContext) -> Cause | None:
    if scene.access is None or scene.stop.code != SEGV_ACCERR or scene.access[0].access == "read":
        return None
    place = scene.place_of(scene.access[1])
    start, end = scene.program.text.address, address_map.page_ceil(scene.program.text.end)
    if start <= scene.access[1] < end:
        row = scene.program.row_at(scene.access[1])
        which = "" if row is None else f", into line {row.span.line}"
        return Cause(
            "write-to-code",
            f"writes {scene.what} to its own code{scene.through}{which}: code is read-only while it can run",
            scene.evidence(*scene.blamed),
            "keep what changes in the data section: section .data",
        )
    if place in ("rodata",):
        return Cause(
            "write-to-rodata",
            f"writes {scene.what} to read-only data{scene.through}",
            scene.evidence(*scene.blamed),
            "put what changes in section .data",
        )
    if place is not None:
        return Cause(
            "write-to-read-only",
            f"writes {scene.what} to buffer {place}{scene.through}, which was given read-only",
            scene.evidence(*scene.blamed),
            "give it with em.Buffer(..., writable=True)",
        )
    return None


def null_pointer(scene: FaultContext) -> Cause | None:
    if scene.access is None or scene.access[1] >= NULL_PAGE:
        return None
    address = scene.access[1]
    shown = "0" if address == 0 else f"{address:#x}"
    registers = scene.blamed
    kind = "null-write" if scene.verb == "writes" else "null-read"
    if not registers:
        return Cause(
            kind,
            f"{scene.verb} {scene.what} at address {shown}, where nothing is ever mapped",
            look_at="to name a variable's place, write its label: [label]",
        )
    base = registers[0]
    if scene[base] == 0 and len(registers) == 1:
        why = f"{base} is a null pointer{scene.origin(base)}"
    else:
        why = scene.values(registers)
    return Cause(
        kind,
        f"{scene.verb} {scene.what} at address {shown}{scene.through}: {why}{scene.item}",
        scene.evidence(*registers),
        f"put an address in {base} first: `lea {base}, [label]`, or an argument that is one",
    )


def negative_offset(scene: FaultContext) -> Cause | None:
    if scene.access is None or scene.access[1] < 2**64 - NULL_PAGE:
        return None
    address = scene.access[1]
    registers = scene.blamed
    if registers and all(scene[name] == 0 for name in registers):
        why = f"the address is 0 - {2**64 - address}: {registers[0]} is 0{scene.origin(registers[0])}"
    else:
        why = f"the address is 0 - {2**64 - address}" + (scene.origin(registers[0]) if registers else "")
    return Cause(
        "negative-address",
        f"{scene.verb} {scene.what}{scene.through}, but {why}",
        scene.evidence(*registers),
        "a small negative address is a null pointer with a negative offset",
    )


def non_canonical(scene: FaultContext) -> Cause | None:
    if scene.access is None or canonical(scene.access[1]):
        return None
    address = scene.access[1]
    registers = scene.blamed
    guilty = next((name for name in registers if not canonical(scene[name])), registers[0] if registers else "")
    holds = f"{guilty} is {scene[guilty]:#x}{scene.origin(guilty)}, so " if guilty else ""
    return Cause(
        "non-canonical",
        f"{scene.verb} {scene.what}{scene.through}: {holds}{address:#x} cannot be an address, its bits 63 to 47 differ"
        f"{scene.item}",
        scene.evidence(*registers),
        "the register holds a number or a text, not a pointer",
    )


def kernel_half(scene: FaultContext) -> Cause | None:
    if scene.access is None or scene.access[1] < KERNEL_HALF:
        return None
    return Cause(
        "kernel-memory",
        f"{scene.verb} {scene.what} at {scene.access[1]:#x}{scene.through}: that half is the operating system's",
        scene.evidence(*scene.blamed),
        "a program's addresses are below 0x800000000000",
    )


def beside_buffer(scene: FaultContext) -> Cause | None:
    if scene.access is None:
        return None
    address = scene.access[1]
    for name, place in scene.stop.plan.buffers.items():
        past = place.page_end <= address < place.page_end + address_map.PAGE
        ahead = place.page_start - address_map.PAGE <= address < place.page_start
        if not (past or ahead):
            continue
        where = (
            f"{address - place.end} bytes past the end" if past else f"{place.start - address} bytes before the start"
        )
        where = "just past the end" if past and address == place.end else where
        rounds = ""
        if scene.instruction is not None and scene.instruction.mnemonic.startswith("rep"):
            rounds = f"; {scene['rcx']:,} rounds were still to come"
        return Cause(
            "past-buffer" if past else "before-buffer",
            f"{scene.verb} {scene.what} {where} of buffer {name} ({place.size} bytes){scene.through}{rounds}",
            scene.evidence(*scene.blamed, *(("rcx",) if rounds else ())),
            "check the count, and the last index: the items of a buffer of n go from 0 to n-1",
        )
    return None


def beside_segment(scene: FaultContext) -> Cause | None:
    if scene.access is None:
        return None
    address = scene.access[1]
    for segment in scene.program.segments:
        end = address_map.page_ceil(segment.end)
        if end <= address < end + address_map.PAGE:
            rounds = ""
            if scene.instruction is not None and scene.instruction.mnemonic.startswith("rep"):
                rounds = f"; {scene['rcx']:,} rounds were still to come"
            name = "code" if segment.name == "text" else segment.name
            return Cause(
                "past-segment",
                f"{scene.verb} {scene.what} past the end of the program's {name}{scene.through}{rounds}",
                scene.evidence(*scene.blamed, *(("rcx",) if rounds else ())),
                "check the count, and where the pointer began",
            )
    return None


def thread_storage(scene: FaultContext) -> Cause | None:
    if scene.access is None or scene.access[0].segment not in ("fs", "gs"):
        return None
    base = scene.registers.get(f"{scene.access[0].segment}_base", 0)
    return Cause(
        "no-thread-storage",
        f"{scene.verb} {scene.what} through {scene.access[0].segment}:, which means nothing here: "
        f"its base is {scene.address(base)}",
        look_at="thread-local storage belongs to the C library; use the stack or section .data",
    )


def beside_mapping(scene: FaultContext) -> Cause | None:
    """Memory that mmap gave: used after munmap took it back, or beside its ends."""
    if scene.access is None or scene.stop.code == SEGV_ACCERR:
        return None
    address = scene.access[1]
    for one in reversed(scene.stop.mapped):
        if one.gone and one.start <= address < one.end:
            place, name = f"in memory that munmap gave back{one.where}", "after-munmap"
            look_at = "use memory before it is given back, or ask mmap for more"
        elif not one.gone and one.end <= address < one.end + address_map.PAGE:
            place = (
                f"{address - one.end} bytes past the end of the {one.end - one.start:,} bytes that mmap gave{one.where}"
            )
            place, name = (
                place.removeprefix("0 bytes ").replace("past", "just past", place.startswith("0 ")),
                "past-mapping",
            )
            look_at = "check the count, or ask mmap for more"
        elif not one.gone and one.start - address_map.PAGE <= address < one.start:
            place = f"{count_bytes(one.start - address)} before the start of what mmap gave{one.where}"
            name, look_at = "before-mapping", "mmap returns the address of the first byte: go up from there"
        else:
            continue
        sentence = f"{scene.verb} {scene.what}{scene.through}, {place}{scene.item}"
        return Cause(name, sentence, scene.evidence(*scene.blamed), look_at)
    return None


def unmapped(scene: FaultContext) -> Cause | None:
    if scene.access is None:
        return None
    address = scene.access[1]
    registers = scene.blamed
    released = scene.stop.call.whose(address)
    if released:
        return Cause(
            "released-region",
            f"{scene.verb} {scene.what}{scene.through} in {released}",
            scene.evidence(*registers),
            "an address of the notebook's memory means nothing to a program in a process of its own",
        )
    since = f": {scene.values(registers)}" if len(registers) > 1 else scene.because(*registers) if registers else ""
    rounds = ""
    if scene.instruction is not None and scene.instruction.mnemonic.startswith("rep"):
        rounds = f"; {scene['rcx']:,} rounds were still to come"
    protected = scene.stop.code == SEGV_ACCERR
    why = "which is mapped, but not for that" if protected else "where nothing is mapped"
    return Cause(
        "protected" if protected else "unmapped",
        f"{scene.verb} {scene.what} at {scene.address(address)}{scene.through}, {why}{since}{rounds}{scene.item}",
        scene.evidence(*registers),
        "check where the address comes from, and how far the program has moved it",
    )


def misaligned(scene: FaultContext) -> Explanation | None:
    """General protection, an aligned vector operand, and an address that is not a multiple of its size."""
    if scene.stop.code != SI_KERNEL or scene.instruction is None:
        return None
    name = scene.mnemonic
    for one, address in scene.accesses:
        size = (
            64 if name.startswith(("xsave", "xrstor")) else 16 if name.startswith(("fxsave", "fxrstor")) else one.size
        )
        if size not in (16, 32, 64) or address % size == 0:
            continue
        loose = {"movaps": "movups", "movapd": "movupd", "movdqa": "movdqu", "vmovaps": "vmovups", "vmovapd": "vmovupd"}
        registers = tuple(part for part in (one.base, one.index) if part)
        found = re.findall(r"\[[^\]]*\]", scene.instruction.text)
        operand = found[0] if found else "its operand"
        if size == 16 and one.base in ("rsp", "rbp") and scene.place_of(address) == "stack" and address % 16 == 8:
            cause = Cause(
                "misaligned-stack",
                f"`{name}` needs an address that is a multiple of {size}, and the stack is off by 8: {operand}",
                scene.evidence(*registers),
                "at a function's first instruction rsp is 16n+8: `sub rsp, 8` makes it a multiple of 16",
            )
        else:
            instead = loose.get(name) or (name.replace("dqa", "dqu") if "dqa" in name else "")
            cause = Cause(
                "misaligned",
                f"`{name}` needs a multiple of {size} for an address, and {operand} is {address % size} more",
                scene.evidence(*registers),
                f"use {instead}, which takes any address, or align the data" if instead else "align the data",
            )
        return Explanation(cause, scene.row, address)
    return None


# ---- bus errors ------------------------------------------------------------------------------------------------------


def alignment_check(scene: FaultContext) -> Explanation | None:
    if scene.stop.signal != "SIGBUS" or not scene.registers["rflags"] & 1 << 18:
        return None
    for one, address in scene.accesses:
        if one.size in (2, 4, 8, 16) and address % one.size:
            cause = Cause(
                "alignment-check",
                f"{one.access}s {one.size} bytes at an address that is no multiple of {one.size}, with the AC flag set",
                MappingProxyType({"rflags": scene.registers["rflags"]}),
                "the program has set AC, bit 18 of the flags: clear it, or align the data",
            )
            return Explanation(cause, scene.row, address)
    return None
