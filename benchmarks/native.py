"""What a native call costs, against Python's own builtins, ctypes and cffi; and what a fault and a case of map cost.

    python benchmarks/native.py

All candidates take turns in every round, so that a noisy machine disturbs them alike; the fastest round counts. ctypes
and cffi call the same code, in memory of our own manager.
"""

from __future__ import annotations

import ctypes
import operator
import sys
import time
import timeit
from collections.abc import Callable
from typing import Any

import cffi

import execmem_kernel as em

ROUNDS = 15
CALLS = 200_000


def race(statement: str, candidates: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Nanoseconds that the statement takes with each candidate's names."""
    timers = {name: timeit.Timer(statement, globals=names) for name, names in candidates.items()}
    best = dict.fromkeys(timers, float("inf"))
    for _ in range(ROUNDS):
        for name, timer in timers.items():
            best[name] = min(best[name], timer.timeit(CALLS) / CALLS * 1e9)
    return best


def show(title: str, times: dict[str, float], base: str) -> None:
    print(f"{title}, best of {ROUNDS} rounds of {CALLS:,}, taking turns")
    for name, value in times.items():
        print(f"  {name:<26}{value:8.1f} ns {value / times[base]:8.2f} times {base}")


def fastest(work: Callable[[], object], count: int) -> float:
    """Microseconds for each of `count` things that the work does; best of five."""
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best / count * 1e6


def main() -> None:
    print(f"Python {sys.version.split()[0]}")
    add_source, multiply_source = "lea rax, [rdi + rsi]\nret", "mulsd xmm0, xmm1\nret"
    add = em.function(add_source, "int64_t add(int64_t a, int64_t b)", native=True)
    multiply = em.function(multiply_source, "double multiply(double a, double b)", native=True)
    assert type(add) is type(operator.add)
    ffi = cffi.FFI()
    own = em.CodeMemoryManager()
    with (
        own.allocate(em.assemble(add_source).code) as adder,
        own.allocate(em.assemble(multiply_source).code) as doubler,
    ):
        integers = {
            "operator.add": {"f": operator.add},
            "native": {"f": add},
            "cffi, ABI mode": {"f": ffi.cast("int64_t (*)(int64_t, int64_t)", adder.address)},
            "ctypes": {"f": ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(adder.address)},
            "ctypes, with the lock kept": {
                "f": ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(adder.address)
            },
        }
        doubles = {
            "operator.mul": {"f": operator.mul},
            "native": {"f": multiply},
            "cffi, ABI mode": {"f": ffi.cast("double (*)(double, double)", doubler.address)},
            "ctypes": {"f": ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_double)(doubler.address)},
        }
        times = race("f(40, 2)", integers)
        show("f(40, 2)", times, "operator.add")
        for name in ("cffi, ABI mode", "ctypes"):
            print(f"  native is {times[name] / times['native']:.1f} times faster than {name}")
        show("f(2**61, 2**60)", race("f(2305843009213693952, 1152921504606846976)", integers), "operator.add")
        show("f(1.5, 2.5)", race("f(1.5, 2.5)", doubles), "operator.mul")

    null = em.function("xor eax, eax\nmov rax, [rax]\nret", "int64_t null(void)", native=True)

    def faults(count: int, read: bool) -> None:
        for _ in range(count):
            try:
                null()
            except em.SegmentationFault as error:
                if read:
                    str(error)

    print(f"a fault that is survived        {fastest(lambda: faults(10_000, False), 10_000):8.1f} us")
    print(f"and its sentence, by a replay   {fastest(lambda: faults(50, True), 50):8.1f} us")

    apart = em.function(add_source, "int64_t add(int64_t a, int64_t b)")
    for count in (1_000, 10_000, 100_000):
        cases = [(n, 3 * n) for n in range(count)]
        print(f"map, a case of {count:>7,}          {fastest(lambda cases=cases: apart.map(cases), count):8.2f} us")
    print(f"a call in a process of its own  {fastest(lambda: [apart(1, 2) for _ in range(100)], 100):8.1f} us")
    sources = [f"lea rax, [rdi + rsi + {n}]\nret" for n in range(5 * 20)]
    made = iter(sources)
    make = fastest(
        lambda: [em.function(next(made), "int64_t f(int64_t a, int64_t b)", native=True) for _ in range(20)], 20
    )
    print(f"making a native function        {make:8.1f} us")


if __name__ == "__main__":
    main()
