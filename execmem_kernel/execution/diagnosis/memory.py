"""Causes in memory operands: null pointers, addresses beside a buffer, read-only and misaligned memory."""

from __future__ import annotations

import re
from types import MappingProxyType

from execmem_kernel.execution.contract.address_map import KERNEL_HALF, NULL_PAGE, PAGE, canonical, page_ceil
from execmem_kernel.execution.contract.cause import Cause, CauseName, Explanation
from execmem_kernel.execution.contract.signal_codes import SEGV_ACCERR, SI_KERNEL
from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.execution.diagnosis.stop import Mapped
from execmem_kernel.execution.diagnosis.values_made import Made, lost_upper_half, made_by
from execmem_kernel.wording import plural, signed
from execmem_kernel.x86.disassembler import LabelsByAddress
from execmem_kernel.x86.effects import MemoryAccess
from execmem_kernel.x86.registers import FLAGS

_ALIGNMENT_CHECK_FLAG = 1 << FLAGS["AC"]


def write_to_code(context: FaultContext) -> Cause | None:
    """A write to memory that is there, and read-only: the code, constants, a buffer given so."""
    if context.access is None or context.stop.code != SEGV_ACCERR or context.access.operand.access == "read":
        return None
    address = context.access.address
    evidence = context.evidence(*context.blamed)
    text = context.program.text
    if text.address <= address < page_ceil(text.end):
        row = context.program.row_at(address)
        which = "" if row is None else f", into line {row.span.line}"
        return Cause(
            "write-to-code",
            f"writes {context.what} to its own code{context.through}{which}: code is read-only while it can run",
            evidence,
            "keep what changes in the data section: section .data",
        )
    place = context.place_of(address)
    if place == "rodata":
        return Cause(
            "write-to-rodata",
            f"writes {context.what} to read-only data{_label(context, address)}{context.through}{context.backwards}",
            evidence,
            _other_way(context) or "put what changes in section .data",
        )
    if place is not None:
        return Cause(
            "write-to-read-only",
            f"writes {context.what} to buffer {place}{context.through}, which was given read-only",
            evidence,
            "give it with em.Buffer(..., writable=True)",
        )
    return None


def _label(context: FaultContext, address: int) -> str:
    """` at name + 4`, by the nearest label; empty for none."""
    name = LabelsByAddress(context.program.labels).near(address)
    return "" if name is None else f" at {name}"


def _other_way(context: FaultContext) -> str:
    """What to look at where a copy goes to what is constant, from what could be written."""
    if not context.mnemonic.startswith("movs") or context.instruction is None or not context.accesses:
        return ""
    source = context.place_of(context["rsi"])
    written = source in ("data", "bss", "stack") or source in context.stop.plan.buffers
    if "string" not in context.instruction.groups or not written or context.row is None:
        return ""
    return (
        f"`movs` copies from [rsi] to [rdi], so rdi must be where the copy goes: write "
        f"{context.lines('xchg rsi, rdi')} before line {context.row.span.line}"
    )


def null_pointer(context: FaultContext) -> Cause | None:
    """An address in the first page, where nothing is ever mapped."""
    if context.access is None or context.access.address >= NULL_PAGE:
        return None
    address = context.access.address
    shown = "0" if address == 0 else f"{address:#x}"
    registers = context.blamed
    kind: CauseName = "null-write" if context.verb == "writes" else "null-read"
    if not registers:
        return Cause(
            kind,
            f"{context.verb} {context.what} at address {shown}, where nothing is ever mapped",
            look_at=_number_meant(context, address),
        )
    base = registers[0]
    if context[base] == 0 and len(registers) == 1:
        why = f"{base} is a null pointer{context.origin(base)}"
    else:
        why = context.values(registers)
    made = made_by(context, base)
    return Cause(
        kind,
        f"{context.verb} {context.what} at address {shown}{context.through}: {why}{made.sentence}{context.item}"
        f"{context.backwards}",
        context.evidence(*registers),
        made.look_at
        or f"put an address in {base} first: {context.lines(f'lea {base}, [label]')}, or an argument that is one",
    )


def _number_meant(context: FaultContext, address: int) -> str:
    """What to look at in an operand that is a plain small number: mostly the number itself was meant."""
    look_at = "to name a variable's place, write its label: " + ("`label(%rip)`" if context.is_att else "[label]")
    if context.row is None or context.row.expansion or context.access is None or context.row.kind != "instruction":
        return look_at
    line = context.typed
    if context.is_att:
        meant = re.sub(rf"(?<=[\s,])(?={re.escape(str(address))}\b|0x0*{address:x}\b)", "$", line, count=1)
    else:
        meant = re.sub(
            r"(?:\b(?:byte|word|dword|qword)\s+)?(?:ptr\s+)?\[\s*(\w+)\s*\]", r"\1", line, count=1, flags=re.I
        )
    reads = context.access.operand.access == "read"
    if meant == line or not reads:
        return look_at
    return f"if the number itself is meant, write `{meant}` on line {context.row.span.line}; {look_at}"


def negative_offset(context: FaultContext) -> Cause | None:
    """An address in the last page: a null pointer less something."""
    if context.access is None or context.access.address < 2**64 - NULL_PAGE:
        return None
    registers = context.blamed
    made = made_by(context, registers[0]) if registers else Made()
    if made.sentence:
        base = registers[0]
        return Cause(
            "negative-address",
            f"{context.verb} {context.what}{context.through}, but {base} is no address: "
            f"{base} is {signed(context[base])}{made.sentence}",
            context.evidence(*registers),
            made.look_at,
        )
    why = f"the address is 0 - {2**64 - context.access.address}"
    if registers:
        origin = context.origin(registers[0])
        why += f": {registers[0]} is 0{origin}" if all(context[name] == 0 for name in registers) else origin
    return Cause(
        "negative-address",
        f"{context.verb} {context.what}{context.through}, but {why}",
        context.evidence(*registers),
        "a small negative address is a null pointer with a negative offset"
        if registers and all(context[name] == 0 for name in registers)
        else "check where the address comes from: it is a small negative number",
    )


def non_canonical(context: FaultContext) -> Cause | None:
    """An address whose bits 63 to 47 are not all equal, which the processor refuses."""
    if context.access is None or canonical(context.access.address):
        return None
    address = context.access.address
    registers = context.blamed
    guilty = next((name for name in registers if not canonical(context[name])), registers[0] if registers else "")
    holds = f"{guilty} is {context[guilty]:#x}{context.origin(guilty)}, so " if guilty else ""
    return Cause(
        "non-canonical",
        f"{context.verb} {context.what}{context.through}: {holds}{address:#x} cannot be an address, "
        f"its bits 63 to 47 differ{context.item}",
        context.evidence(*registers),
        "the register holds a number or a text, not a pointer",
    )


def kernel_half(context: FaultContext) -> Cause | None:
    """An address of the operating system's."""
    if context.access is None or context.access.address < KERNEL_HALF:
        return None
    address = context.access.address
    return Cause(
        "kernel-memory",
        f"{context.verb} {context.what} at {address:#x}{context.through}: that half is the operating system's",
        context.evidence(*context.blamed),
        "a program's addresses are below 0x800000000000",
    )


def beside_buffer(context: FaultContext) -> Cause | None:
    """The page behind a buffer, or before it: neither is mapped."""
    if context.access is None:
        return None
    address = context.access.address
    for name, place in context.stop.plan.buffers.items():
        kind: CauseName
        if place.page_end <= address < place.page_end + PAGE:
            kind = "past-buffer"
            beyond = address - place.end
            where = f"{beyond} bytes past the end" if beyond else "just past the end"
        elif place.page_start - PAGE <= address < place.page_start:
            kind, where = "before-buffer", f"{place.start - address} bytes before the start"
        else:
            continue
        return Cause(
            kind,
            f"{context.verb} {context.what} {where} of buffer {name} ({place.size} bytes){context.through}"
            f"{context.remaining_rounds}",
            context.evidence(*context.blamed, *_counter(context)),
            "check the count, and the last index: the items of a buffer of n go from 0 to n-1",
        )
    return None


def beside_segment(context: FaultContext) -> Cause | None:
    """The page behind one of the program's own segments, or before one: whichever is nearer."""
    if context.access is None:
        return None
    address = context.access.address
    near: list[tuple[int, str]] = []
    for segment in context.program.segments:
        name = "code" if segment.name == "text" else segment.name
        end = page_ceil(segment.end)
        if end <= address < end + PAGE:
            near.append((address - end, f"past the end of the program's {name}"))
        if segment.address - PAGE <= address < segment.address:
            near.append((segment.address - address, f"before the start of the program's {name}"))
    if not near:
        return None
    return Cause(
        "past-segment",
        f"{context.verb} {context.what} {min(near)[1]}{context.through}{context.remaining_rounds}",
        context.evidence(*context.blamed, *_counter(context)),
        "check the count, and where the pointer began",
    )


def _counter(context: FaultContext) -> tuple[str, ...]:
    """What explains how far an instruction that repeats has come."""
    return ("rcx",) if context.repeats else ()


def thread_storage(context: FaultContext) -> Cause | None:
    """An operand on fs or gs, which have no base in a program without the C library."""
    if context.access is None or context.access.operand.segment not in ("fs", "gs"):
        return None
    segment = context.access.operand.segment
    return Cause(
        "no-thread-storage",
        f"{context.verb} {context.what} through {segment}:, which means nothing here: "
        f"its base is {context.address(context.registers.get(f'{segment}_base', 0))}",
        look_at="thread-local storage belongs to the C library; use the stack or section .data",
    )


def beside_mapping(context: FaultContext) -> Cause | None:
    """Memory that mmap gave: used after munmap took it back, or beside its ends."""
    if context.access is None or context.stop.code == SEGV_ACCERR:
        return None
    for mapped in reversed(context.stop.mapped):
        found = _relation(mapped, context.access.address)
        if found is not None:
            name, place, look_at = found
            sentence = f"{context.verb} {context.what}{context.through}, {place}{context.item}"
            return Cause(name, sentence, context.evidence(*context.blamed), look_at)
    return None


def _relation(mapped: Mapped, address: int) -> tuple[CauseName, str, str] | None:
    """How an address lies to some memory of mmap's: the cause, where it is, what to look at; None for far away."""
    if mapped.gone:
        if not mapped.start <= address < mapped.end:
            return None
        place = f"in memory that munmap gave back{mapped.where}"
        return "after-munmap", place, "use memory before it is given back, or ask mmap for more"
    if mapped.end <= address < mapped.end + PAGE:
        beyond = address - mapped.end
        far = f"{beyond} bytes past" if beyond else "just past"
        place = f"{far} the end of the {mapped.end - mapped.start:,} bytes that mmap gave{mapped.where}"
        return "past-mapping", place, "check the count, or ask mmap for more"
    if mapped.start - PAGE <= address < mapped.start:
        place = f"{plural(mapped.start - address, 'byte')} before the start of what mmap gave{mapped.where}"
        return "before-mapping", place, "mmap returns the address of the first byte: go up from there"
    return None


def unmapped(context: FaultContext) -> Cause | None:
    """Any other address: one of the notebook's own memory, or one that means nothing at all."""
    if context.access is None:
        return None
    address = context.access.address
    registers = context.blamed
    evidence = context.evidence(*registers)
    released = context.stop.call.whose(address)
    if released:
        return Cause(
            "released-region",
            f"{context.verb} {context.what}{context.through} in {released}",
            evidence,
            "an address of the notebook's memory means nothing to a program in a process of its own",
        )
    for name in registers:
        lost = lost_upper_half(context, name)
        if lost is not None:
            sentence = f"{context.verb} {context.what}{context.through}, where nothing is mapped: {lost[0]}"
            return Cause("unmapped", sentence, evidence, lost[1])
    made = made_by(context, registers[0]) if registers else Made()
    since = f": {context.values(registers)}" if len(registers) > 1 else context.because(*registers) if registers else ""
    protected = context.stop.code == SEGV_ACCERR
    why = "which is mapped, but not for that" if protected else "where nothing is mapped"
    return Cause(
        "protected" if protected else "unmapped",
        f"{context.verb} {context.what} at {context.address(address)}{context.through}, {why}{since}"
        f"{made.sentence}{context.remaining_rounds}{context.item}",
        evidence,
        made.look_at or "check where the address comes from, and how far the program has moved it",
    )


_UNALIGNED_FORMS = {
    "movaps": "movups",
    "movapd": "movupd",
    "movdqa": "movdqu",
    "vmovaps": "vmovups",
    "vmovapd": "vmovupd",
}
"""Instructions that need an aligned address -> those that do the same with any."""


def misaligned(context: FaultContext) -> Explanation | None:
    """General protection, an aligned vector operand, and an address that is not a multiple of its size."""
    if context.stop.code != SI_KERNEL or context.instruction is None:
        return None
    for operand, address in context.accesses:
        alignment = _alignment(context.mnemonic, operand)
        if alignment in (16, 32, 64) and address % alignment:
            return Explanation(_misaligned(context, operand, address, alignment), context.row, address)
    return None


def _alignment(mnemonic: str, operand: MemoryAccess) -> int:
    """Bytes of which an operand's address has to be a multiple, where its instruction asks for that at all."""
    if mnemonic.startswith(("xsave", "xrstor")):
        return 64
    return 16 if mnemonic.startswith(("fxsave", "fxrstor")) else operand.size


def _misaligned(context: FaultContext, operand: MemoryAccess, address: int, alignment: int) -> Cause:
    name = context.mnemonic
    assert context.instruction is not None
    found = re.search(r"\[[^\]]*\]", context.instruction.text)
    written = found[0] if found else "its operand"
    evidence = context.evidence(*(part for part in (operand.base, operand.index) if part))
    on_stack = operand.base in ("rsp", "rbp") and context.place_of(address) == "stack"
    if alignment == 16 and on_stack and address % 16 == 8:
        return Cause(
            "misaligned-stack",
            f"`{name}` needs an address that is a multiple of {alignment}, and the stack is off by 8: {written}",
            evidence,
            "at a function's first instruction rsp is 16n+8: `sub rsp, 8` makes it a multiple of 16",
        )
    instead = _UNALIGNED_FORMS.get(name) or (name.replace("dqa", "dqu") if "dqa" in name else "")
    return Cause(
        "misaligned",
        f"`{name}` needs a multiple of {alignment} for an address, and {written} is {address % alignment} more",
        evidence,
        f"use {instead}, which takes any address, or align the data" if instead else "align the data",
    )


def alignment_check(context: FaultContext) -> Explanation | None:
    """A misaligned access with the AC flag set, which makes every one of them a fault."""
    if context.stop.signal != "SIGBUS" or not context.registers["rflags"] & _ALIGNMENT_CHECK_FLAG:
        return None
    for operand, address in context.accesses:
        size = operand.size
        if size in (2, 4, 8, 16) and address % size:
            cause = Cause(
                "alignment-check",
                f"{operand.access}s {size} bytes at an address that is no multiple of {size}, with the AC flag set",
                MappingProxyType({"rflags": context.registers["rflags"]}),
                "the program has set AC, bit 18 of the flags: clear it, or align the data",
            )
            return Explanation(cause, context.row, address)
    return None
