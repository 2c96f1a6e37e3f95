"""Native functions for tests, and scripts that may crash, run in a child."""

from __future__ import annotations

import json
import subprocess
import textwrap
from collections.abc import Callable
from typing import Any

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.execution.native.function import native_function
from tests import running

ADD = "lea rax, [rdi + rsi]\nret"


def make(source: str, prototype: str) -> Callable[..., Any]:
    return native_function(assemble(source), prototype)


def in_child(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script that may crash, with `make` at hand; core dumps are off."""
    head = """
        import json, resource, signal, sys, threading
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        from execmem_kernel.assembly.assembler import assemble
        from execmem_kernel.execution.native.function import native_function
        def make(source, prototype):
            return native_function(assemble(source), prototype)
        """
    return running.script(textwrap.dedent(head) + textwrap.dedent(script), *arguments)


def results_of(done: subprocess.CompletedProcess[str]) -> Any:
    """What a child printed as JSON on its last line; it must have ended well."""
    assert done.returncode == 0, f"the child ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    assert done.stderr == ""
    return json.loads(done.stdout.splitlines()[-1])
