"""Outcomes made by hand, so that views are tested without a process or an assembler."""

from __future__ import annotations

from typing import Any

from execmem_kernel.execution.contract.cause import Cause
from execmem_kernel.execution.contract.details import LifeEvent
from execmem_kernel.execution.contract.outcome import Faulted, Returned
from execmem_kernel.execution.contract.registers import Registers
from execmem_kernel.program.diagnostic import Span
from execmem_kernel.program.program import CODE_ADDRESS, ListingRow, Program, Segment
from execmem_kernel.x86.registers import GENERAL

STACK_END = 0x7000_0000
PLACES = {"code": (CODE_ADDRESS, CODE_ADDRESS + 0x1000), "stack": (STACK_END - 0x1_0000, STACK_END)}


def program(*lines: tuple[str, str], **fields: Any) -> Program:
    """A program of (source line, its bytes in hex); the disassembly is the source line itself."""
    rows = []
    offset = 0
    for number, (source, code) in enumerate(lines, 1):
        data = bytes.fromhex(code)
        span = Span(number, 1, len(source) + 1)
        rows.append(
            ListingRow("instruction", "text", CODE_ADDRESS + offset, offset, data, len(data), source, span, source)
        )
        offset += len(data)
    code = b"".join(row.code for row in rows)
    text = Segment("text", CODE_ADDRESS, code, len(code), "r-x")
    source = "\n".join(line for line, _ in lines)
    return Program(source, "intel", (text,), listing=tuple(rows), **fields)


ANSWER = program(("mov eax, 42", "b82a000000"), ("ret", "c3"))
NULL_READ = program(("xor eax, eax", "31c0"), ("mov rax, [rax]", "488b00"), ("ret", "c3"))


def registers(**values: int) -> Registers:
    """All registers zero but those named; rsp where the stack begins."""
    return Registers(dict.fromkeys(GENERAL, 0) | {"rip": CODE_ADDRESS, "rflags": 0x202, "rsp": STACK_END - 8} | values)


def returned(made: Program = ANSWER, *, before: dict[str, int] | None = None, after: dict[str, int] | None = None,
             **fields: Any) -> Returned:  # fmt: skip
    return Returned(
        program=made,
        before=registers(**(before or {})),
        registers=registers(**(after or {})),
        places=PLACES,
        **fields,
    )


def null_read(**fields: Any) -> Faulted:
    cause = Cause(
        "null-read",
        "reads 8 bytes at address 0, which no program may use",
        {"rax": 0},
        "xor made rax 0 on line 1",
    )
    return Faulted(
        program=NULL_READ, before=registers(), registers=registers(rflags=0x246, rip=CODE_ADDRESS + 2),
        signal="SIGSEGV",
        places=PLACES, cause=cause, row=NULL_READ.listing[1], accessed=0,
        life=(LifeEvent("allocated", 4096), LifeEvent("written", 6), LifeEvent("released", 4096)), **fields,
    )  # fmt: skip
