"""One way to run a snippet, and one to run a script: both end for reasons of their own, however busy the machine is."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import textwrap
from typing import Any

import execmem_kernel as em
from execmem_kernel.execution.contract.engine import Engine

LIMITS = em.Limits(wall_s=60, cpu_s=0.15)
"""Time on the processor ends a loop: what else the machine does must not make a difference."""
DEFAULTS: dict[str, Any] = {"registers": {"rdi": "data"}, "buffers": {"data": 4096}, "limits": LIMITS}
HANGS_S = 300
"""Only what never ends takes so long."""
ENDLESS = em.Limits(wall_s=HANGS_S, cpu_s=HANGS_S)
"""For a program that is ended from outside."""


def run(asm: str | em.Program, *, engine: Engine | None = None, **options: Any) -> em.Outcome:
    """Run a snippet whose rdi leads to a page of zeros, or with other registers, buffers and limits."""
    return em.run(asm, engine=engine, **(DEFAULTS | options))


def script(text: str, *arguments: str, flags: tuple[str, ...] = (), **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a script in an interpreter of its own."""
    command = [sys.executable, *flags, "-c", textwrap.dedent(text), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S, check=False, **options)


def ends(process: int) -> bool:
    """Wait for the end of a process that is none of our children, or that has ended already."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], HANGS_S)[0])
    finally:
        os.close(handle)
