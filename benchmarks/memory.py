"""What executable memory costs: the pool against the usual ways, at many live blocks, and in bytes.

    python benchmarks/memory.py [--charts FOLDER]

(a) allocate + write 64 bytes + seal + release, against mmap.mmap (rwx) and ctypes mmap/mprotect/munmap
(b) the same with 100, 10,000 and 100,000 blocks live, after random frees
(c) statistics() and events() of one event, at those sizes
(d) bytes reserved per byte of payload, against a page for each block

The competitors of one comparison take turns, a few hundred operations each, and each figure is the median of many
turns, in the thread's own processor time: a noisy machine disturbs all alike.
The charts (PNG) are drawn from the same numbers that are printed.
"""

from __future__ import annotations

import argparse
import ctypes
import mmap
import random
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import execmem_kernel as em

CODE = bytes(range(64))
LIVE = (100, 10_000, 100_000)
TURNS, OPERATIONS = 41, 400

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long
)  # fmt: skip
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)


def usual_way() -> None:
    """What most Python code does: one anonymous mapping, writable and executable at once."""
    pages = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    pages.write(CODE)
    pages.close()


def careful_way() -> None:
    """The same by hand, without ever being writable and executable: mmap, copy, mprotect, munmap."""
    address = _libc.mmap(None, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE, 0x22, -1, 0)
    ctypes.memmove(address, CODE, len(CODE))
    _libc.mprotect(address, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC)
    _libc.munmap(address, mmap.PAGESIZE)


def take_turns(ways: dict[str, Callable[[], object]], operations: int = OPERATIONS) -> dict[str, float]:
    """Median nanoseconds of one operation, for each way."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(TURNS + 2):
        for name, way in ways.items():
            start = time.thread_time_ns()
            for _ in range(operations):
                way()
            if turn >= 2:  # the first two turns warm up
                times[name].append((time.thread_time_ns() - start) / operations)
    return {name: statistics.median(values) for name, values in times.items()}


def filled(count: int) -> tuple[em.CodeMemoryManager, list[em.ExecutableMemory]]:
    """A manager with `count` blocks live, as it is after as many random frees: full of holes."""
    manager = em.CodeMemoryManager(limit=512 * 1024 * 1024)
    chance = random.Random(count)
    held = [manager.allocate(chance.randrange(1, 256)) for _ in range(2 * count)]
    chance.shuffle(held)
    for memory in held[count:]:
        memory.close()
    del held[count:]
    return manager, held


def compare_ways() -> dict[str, float]:
    with em.CodeMemoryManager() as manager, manager.allocate(64):

        def one_call() -> None:
            manager.allocate(CODE).close()

        def three_calls() -> None:
            with manager.allocate(64) as memory:
                memory.write(CODE)
                memory.seal()

        def own_pages() -> None:
            manager.allocate(CODE, pages=True).close()

        ways = {
            "pool, allocate(code)": one_call,
            "pool, allocate, write, seal": three_calls,
            "own pages, guarded": own_pages,
            "mmap.mmap, rwx": usual_way,
            "ctypes mmap/mprotect/munmap": careful_way,
        }
        return take_turns(ways)


def compare_ways_beside_a_thread() -> dict[str, float]:
    """The same while another thread runs, as in every notebook kernel: unmapping then has to interrupt its CPU."""
    stop = threading.Event()
    sleeper = _libc.usleep  # outside the interpreter's lock, on a CPU of its own from time to time

    def busy() -> None:
        while not stop.is_set():
            sleeper(50)

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        return compare_ways()
    finally:
        stop.set()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--charts", type=Path, help="a folder for the four charts, as PNG")
    folder: Path | None = parser.parse_args().charts

    print("(a) allocate + write 64 bytes + seal + release, microseconds")
    ways = compare_ways()
    pool = ways["pool, allocate(code)"]
    for name, nanoseconds in ways.items():
        print(f"    {name:32}{nanoseconds / 1e3:8.2f}   {nanoseconds / pool:6.2f} times the pool")
    print("    beside another thread")
    for name, nanoseconds in compare_ways_beside_a_thread().items():
        print(f"    {name:32}{nanoseconds / 1e3:8.2f}")

    costs: dict[int, dict[str, float]] = {}
    bytes_per: dict[int, tuple[float, float]] = {}
    kept = [filled(count) for count in LIVE]
    pairs: dict[str, Callable[[], object]] = {}
    for count, (manager, _) in zip(LIVE, kept, strict=True):
        pairs[f"pair {count}"] = lambda manager=manager: manager.allocate(CODE).close()
        pairs[f"statistics {count}"] = manager.statistics
        pairs[f"event {count}"] = lambda manager=manager: manager.events(manager._ledger.sequence - 1)
    measured = take_turns(pairs, operations=100)
    for count, (manager, held) in zip(LIVE, kept, strict=True):
        costs[count] = {what: measured[f"{what} {count}"] for what in ("pair", "statistics", "event")}
        numbers = manager.statistics()
        pages = 4096 * sum(-(-memory.size // 4096) for memory in held)
        bytes_per[count] = (numbers.reserved / numbers.payload, pages / numbers.payload)

    print("(b) the same with so many blocks live, after as many random frees, microseconds")
    for count in LIVE:
        cost = costs[count]["pair"]
        print(f"    {count:>7,}   {cost / 1e3:8.2f}   {cost / costs[LIVE[0]]['pair']:6.2f} times the first")
    print("(c) statistics() and the last event, microseconds")
    for count in LIVE:
        print(f"    {count:>7,}   {costs[count]['statistics'] / 1e3:8.2f}   {costs[count]['event'] / 1e3:8.2f}")
    print("(d) bytes reserved per byte of payload: the pool, and a page for each block")
    for count in LIVE:
        print(f"    {count:>7,}   {bytes_per[count][0]:8.2f}   {bytes_per[count][1]:8.2f}")

    for manager, held in kept:
        manager.cleanup()
        held.clear()
    if folder is not None:
        draw(folder, ways, costs, bytes_per)


def draw(
    folder: Path, ways: dict[str, float], costs: dict[int, dict[str, float]], bytes_per: dict[int, tuple[float, float]]
) -> None:
    """Four charts from the numbers printed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    labels = [f"{count:,}" for count in LIVE]

    def save(name: str, title: str, axis: str) -> None:
        pyplot.title(title)
        pyplot.xlabel(axis)
        pyplot.tight_layout()
        pyplot.savefig(folder / f"{name}.png", dpi=120, metadata={"Software": None})
        pyplot.close()
        print(f"    {name}.png")

    print("charts")
    pyplot.figure(figsize=(7, 3))
    pyplot.barh(list(ways), [value / 1e3 for value in ways.values()], color=["C2", "C2", "C0", "C3", "C1"])
    pyplot.gca().invert_yaxis()
    save("memory-a-ways", "allocate + write 64 bytes + seal + release", "microseconds")

    pyplot.figure(figsize=(7, 3))
    pyplot.barh(labels, [costs[count]["pair"] / 1e3 for count in LIVE], color="C2")
    save("memory-b-live-blocks", "the cost of a pair does not depend on how many blocks are live", "microseconds")

    pyplot.figure(figsize=(7, 3))
    for shift, what in ((-0.2, "statistics"), (0.2, "event")):
        places = [index + shift for index in range(len(LIVE))]
        pyplot.barh(places, [costs[count][what] / 1e3 for count in LIVE], height=0.4, label=what)
    pyplot.yticks(range(len(LIVE)), labels)
    pyplot.legend()
    save("memory-c-statistics", "statistics() and one event", "microseconds")

    pyplot.figure(figsize=(7, 3))
    for shift, index, what in ((-0.2, 0, "pool"), (0.2, 1, "a page for each block")):
        places = [place + shift for place in range(len(LIVE))]
        pyplot.barh(places, [bytes_per[count][index] for count in LIVE], height=0.4, label=what)
    pyplot.yticks(range(len(LIVE)), labels)
    pyplot.xscale("log")
    pyplot.legend()
    save("memory-d-bytes", "bytes reserved per byte of payload", "bytes, logarithmic")


if __name__ == "__main__":
    main()
