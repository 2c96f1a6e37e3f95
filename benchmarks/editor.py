"""How long completion, inspection and diagnostics take, beside what IPython's own completion takes.

    python benchmarks/editor.py

First answers come from fresh processes, alternating between ours and IPython's, so that a noisy machine disturbs both
alike; later ones from one process, taking turns. The processor time says what an idle machine would take.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

ROUNDS = 9

SCRIPT = """
import json, time
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

class Kernel:
    def do_inspect(self, code, cursor_pos, detail_level=0, omit_sections=()):
        return None

shell = InteractiveShell.instance()
shell.kernel = kernel = Kernel()
shell.run_line_magic("load_ext", "execmem_kernel")
body = '''        mov     eax, 1
        lea     rsi, [rip + text]
again:  movzx   ecx, byte ptr [rsi]
        add     rax, rcx
        inc     rsi
        cmp     ecx, 10
        jne     again
        ret
text:   .ascii  "Hello"
'''
cell = "%%asm rdi=5" + chr(10) + body

def complete(text):
    with provisionalcompleter():
        return list(shell.Completer.completions(text, len(text)))

KINDS = {
    "python": lambda n: complete("x = pri" + "n" * (n % 2)),
    "mnemonic": lambda n: complete(cell + ["mo", "add", "j"][n % 3]),
    "register": lambda n: complete(cell + ["mov rax, r", "add dword ptr [rd", "vaddps zmm0, z"][n % 3]),
    "option": lambda n: complete("%%asm --expect S"),
    "inspection": lambda n: kernel.do_inspect(cell + "nop ;" + str(n), len(cell) - 95 - n % 2),
    "diagnostics": lambda n: kernel.do_inspect(cell + "mvo eax, " + str(n), 0, 100),
}
times = []
for n in range({count}):
    wall, processor = time.perf_counter(), time.process_time()
    KINDS["{kind}"](n)
    times.append(((time.perf_counter() - wall) * 1e3, (time.process_time() - processor) * 1e3))
print(json.dumps(times))
"""

KINDS = ("python", "mnemonic", "register", "option", "inspection", "diagnostics")


def measure(kind: str, count: int) -> list[tuple[float, float]]:
    """Times of so many answers of a fresh process, each in milliseconds: on the wall, of the processor."""
    script = SCRIPT.replace("{count}", str(count)).replace("{kind}", kind)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    rows: list[tuple[float, float]] = json.loads(done.stdout.splitlines()[-1])
    return rows


def main() -> None:
    first: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    later: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    for _ in range(ROUNDS):
        for kind in KINDS:
            rows = measure(kind, 30)
            first[kind].append(rows[0])
            later[kind].append(
                (statistics.median(row[0] for row in rows[1:]), statistics.median(row[1] for row in rows[1:]))
            )
    print(f"median of {ROUNDS} fresh processes each; milliseconds on the wall (of the processor)")
    python = {
        name: statistics.median(row[0] for row in rows["python"]) for name, rows in (("first", first), ("later", later))
    }
    print(f"{'':24}{'first answer':>20}{'IPython / it':>14}{'later':>20}{'IPython / it':>14}")
    for kind in KINDS:
        cells = []
        for name, rows in (("first", first), ("later", later)):
            wall, processor = (statistics.median(row[index] for row in rows[kind]) for index in (0, 1))
            cells.append(f"{wall:10.1f} ({processor:6.1f}){python[name] / wall:14.1f}")
        print(f"{kind if kind != 'python' else 'IPython on Python':24}{'  '.join(cells)}")


if __name__ == "__main__":
    main()
