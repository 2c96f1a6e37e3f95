"""Whatever is passed to the public face, in whatever state: an exception at most, never the end of the process."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc, itertools, warnings
import execmem_kernel as em

warnings.simplefilter("ignore")
JUNK = [
    None, True, 0, 1, -1, 2**31, 2**63, 2**64, -2**70, 4096, 0x10000000, 1.5, float("nan"), "", "text", "\\udc80", b"",
    b"\\xc3", bytearray(3), memoryview(bytes(9))[::2], [], {}, object(), lambda *_: 1, int, em,
]
manager = em.CodeMemoryManager(limit=1024 * 1024)
tried = failed = 0

def attempt(action, *arguments, **named):
    global tried, failed
    tried += 1
    try:
        return action(*arguments, **named)
    except Exception as error:
        failed += 1
        assert not isinstance(error, SystemError), error
        assert str(error) or isinstance(error, NotImplementedError)

def in_states():
    yield manager.allocate(64)
    yield manager.allocate(b"\\xc3", pages=True)
    gone = manager.allocate(64); gone.close(); yield gone
    moved = manager.allocate(64); moved.move().close(); yield moved
    lent = manager.allocate(64); lent.release(); yield lent

for value in JUNK:
    for name in ("allocate", "release", "adopt", "events", "audit"):
        attempt(getattr(manager, name), value)
    for option in ("name", "address", "near", "pages"):
        attempt(manager.allocate, 64, **{option: value})
        attempt(manager.allocate, b"\\xc3", pages=True, **({option: value} if option != "pages" else {}))
    for policy in (em.Fixed, em.Doubling):
        attempt(lambda: em.CodeMemoryManager(growth=policy(value)).allocate(64).close())
    attempt(lambda: em.CodeMemoryManager(growth=lambda need, history: value).allocate(64).close())
    attempt(lambda: em.CodeMemoryManager(limit=value).allocate(64).close())
    for memory in in_states():
        attempt(memory.write, value)
        attempt(memory.write, b"\\xc3", value)
        attempt(memory.read, value)
        attempt(memory.read, 0, value)
for memory in in_states():
    for name in ("move", "release", "seal", "close", "backing", "pinned", "read"):
        attempt(getattr(memory, name))
    for name in ("__enter__", "__len__", "__repr__", "__copy__"):
        attempt(getattr(memory, name))
    for name in ("address", "size", "name", "closed", "sealed"):
        attempt(getattr, memory, name)
gc.collect()
manager.cleanup()
with manager.allocate(b"\\xb8\\x2a\\0\\0\\0\\xc3") as memory:
    numbers = manager.statistics()
    assert numbers.payload + numbers.rounding + numbers.padding + numbers.metadata + numbers.free == numbers.reserved
print("alive", tried > 800, failed > 300)
"""


def test_no_misuse_ends_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive True True\n", "")
