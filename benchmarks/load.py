"""What `%load_ext execmem_kernel` costs, in time and memory, against IPython without it.

    python benchmarks/load.py

Each number comes from fresh processes, alternating between the two, so that a noisy machine disturbs both alike.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

ROUNDS = 15

SCRIPT = """
import json, resource, time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
started = time.perf_counter()
if {load}:
    shell.run_line_magic("load_ext", "execmem_kernel")
loaded = time.perf_counter()
if {use}:
    shell.run_cell_magic("asm", "", "mov eax, 42\\nret")
used = time.perf_counter()
print(json.dumps({{
    "load_ms": (loaded - started) * 1e3,
    "first_cell_ms": (used - loaded) * 1e3,
    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}}))
"""


def measure(load: bool, use: bool) -> dict[str, float]:
    """One fresh process; its times in milliseconds, its peak resident size in MiB."""
    script = SCRIPT.format(load=load, use=use)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    values: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return values


def main() -> None:
    bare, loaded, used = [], [], []
    for _ in range(ROUNDS):
        bare.append(measure(load=False, use=False))
        loaded.append(measure(load=True, use=False))
        used.append(measure(load=True, use=True))

    def median(rows: list[dict[str, float]], key: str) -> float:
        return statistics.median(row[key] for row in rows)

    memory, after_load, after_cell = (median(rows, "peak_mib") for rows in (bare, loaded, used))
    print(f"median of {ROUNDS} fresh processes each")
    print(f"%load_ext execmem_kernel        {median(loaded, 'load_ms'):7.1f} ms")
    print(f"the first %%asm cell after it   {median(used, 'first_cell_ms'):7.1f} ms")
    print(f"memory, bare IPython            {memory:7.1f} MiB")
    print(f"memory, loaded                  {after_load:7.1f} MiB   {after_load / memory:.2f} times bare")
    print(f"memory, after one cell          {after_cell:7.1f} MiB   {after_cell / memory:.2f} times bare")


if __name__ == "__main__":
    main()
