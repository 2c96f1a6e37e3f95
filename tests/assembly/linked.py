"""The same source through other assemblers: GNU as or NASM, then ld at our addresses; and the comparison."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import capstone

from execmem_kernel.program.program import Program
from tests.running import HANGS_S

_SCRIPT = """
SECTIONS {{
{sections}
  /DISCARD/ : {{ *(.note*) *(.comment*) *(.eh_frame*) }}
}}
"""
_INPUT = {
    "text": "*(.text .text.*)",
    "rodata": "*(.rodata .rodata.* .data.rel.ro*)",
    "data": "*(.data .data.*)",
    "bss": "*(.bss .bss.* COMMON)",
}


class OracleRefused(Exception):
    """The other assembler or the linker did not take the source."""


def linked(source: str, program: Program, *, assembler: str = "as") -> dict[str, bytes]:
    """Segment name to bytes, as the other assembler makes them at the addresses that our program has."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "in.s").write_text(source if source.endswith("\n") else source + "\n")
        if assembler == "as":
            intel = [] if program.syntax == "att" else ["-msyntax=intel", "-mnaked-reg"]
            command = ["as", "--64", *intel, "in.s", "-o", "out.o"]
        else:
            command = ["nasm", "-f", "elf64", "-w-all", "in.s", "-o", "out.o"]
        done = subprocess.run(command, cwd=path, capture_output=True, text=True, timeout=HANGS_S)
        if done.returncode:
            raise OracleRefused(done.stderr)
        sections = "\n".join(
            f"  .{segment.name} {segment.address:#x} : {{ {_INPUT[segment.name]} }}" for segment in program.segments
        )
        (path / "script.ld").write_text(_SCRIPT.format(sections=sections))
        externs = [f"--defsym={name}={address:#x}" for name, address in program.externs.items()]
        done = subprocess.run(
            ["ld", "-T", "script.ld", "--no-relax", "-e", "0", "--no-warn-rwx-segments", *externs,
             "out.o", "-o", "out.elf"],
            cwd=path, capture_output=True, text=True, timeout=HANGS_S,
        )  # fmt: skip
        if done.returncode:
            raise OracleRefused(done.stderr)
        result: dict[str, bytes] = {}
        for segment in program.segments:
            if segment.name == "bss":
                continue
            target = path / f"{segment.name}.bin"
            done = subprocess.run(
                ["objcopy", "-O", "binary", f"--only-section=.{segment.name}", "out.elf", str(target)],
                cwd=path, capture_output=True, text=True, timeout=HANGS_S,
            )  # fmt: skip
            result[segment.name] = target.read_bytes() if target.exists() else b""
        return result


def decoded(code: bytes, address: int) -> list[str]:
    """What the bytes say, in words."""
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    engine.skipdata = True
    return [f"{mnemonic} {operands}" for _, _, mnemonic, operands in engine.disasm_lite(code, address)]


def differences(program: Program, other: dict[str, bytes]) -> list[str]:
    """Where the two disagree: nothing, unless bytes differ that do not decode to the same."""
    found = []
    for segment in program.segments:
        if segment.name == "bss":
            continue
        mine, theirs = segment.data, other[segment.name]
        if mine == theirs:
            continue
        if segment.name != "text":
            found.append(f"{segment.name}: {mine.hex()} against {theirs.hex()}")
            continue
        ours, others = decoded(mine, segment.address), decoded(theirs, segment.address)
        if ours != others:
            for one, two in zip(ours, others, strict=False):
                if one != two:
                    found.append(f"text: {one!r} against {two!r}")
                    break
            else:
                found.append(f"text: {len(ours)} against {len(others)} instructions")
    return found
