"""The guard of native code: signal handlers that turn a fault inside it into an exception, threads, code ranges."""

from __future__ import annotations

import atexit
import ctypes
import dataclasses
import faulthandler
import functools
import mmap
import os
import signal
import struct
import sys
import threading
from collections.abc import Callable
from importlib import resources
from types import ModuleType
from typing import Any, NoReturn

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import EngineUnavailableError
from execmem_kernel.execution.native import machine_state
from execmem_kernel.execution.native.cpython import METH_O, MethodDefinition, entry_point
from execmem_kernel.execution.process import interrupts
from execmem_kernel.linux import signals
from execmem_kernel.memory.handle import ExecutableMemory
from execmem_kernel.memory.manager import CodeMemoryManager

SIGNALS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGINT)
"""What the guard handles."""
ACTIONS, RANGES, BLOCKS = 0x400, 0x1000, 0x2_1000
"""Where the parts of the guard's data begin; drawn in guard.s."""
MOST_RANGES = (BLOCKS - RANGES) // 16
"""Pieces of code whose faults are survived: a start and an end each."""
MOST_THREADS = 512
BLOCK_SIZE = 64
"""Bytes of what is kept for each thread."""
_ARMED, _TID, _FS, _SIGNAL, _RIP, _FRAME, _LEFT = range(7)
"""The numbers of 8 bytes in a block."""
_CURRENT_FS, _BLOCK_COUNT, _RANGE_COUNT = 0, 2, 3
"""The numbers of 8 bytes at the beginning of the data, those that Python reads or writes."""
_STACK_SIZE = 64 * 1024
"""Of the stack that handlers run on, for a thread that has none."""
GUARD_CALLS = (
    "PyObject_VectorcallMethod", "PyLong_AsVoidPtr", "Py_NewRef",
    "PyObject_GetBuffer", "PyBuffer_Release", "PyErr_Clear",
)  # fmt: skip
"""Functions of the C interface that guard.s calls."""


class ThreadSlot:
    """A thread's place in the guard's table; given back when the thread ends."""

    __slots__ = ("guard", "index", "stack")

    def __init__(self, guard: Guard, index: int, stack: mmap.mmap | None) -> None:
        self.guard = guard
        self.index = index
        self.stack = stack

    def __del__(self, number_of_this_thread: Callable[[], int] = threading.get_native_id) -> None:
        # Python drops a thread's own data on that thread; at the interpreter's end it may be another one.
        if self.guard.blocks[self.index][_TID] == number_of_this_thread():
            self.guard.strike_off(self)
        elif self.stack is not None:
            self.guard.abandoned.append(self.stack)  # that thread may still need it


class Guard:
    """The process's guard: its data, its code, and the signal handlers that lead there. There is one."""

    def __init__(self) -> None:
        size = BLOCKS + MOST_THREADS * BLOCK_SIZE
        # Private: after a fork each process has its own.
        self.data: mmap.mmap = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        # Never unmapped: to the very end of the process a stub or a handler may look into it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.data))
        self.address: int = ctypes.addressof(ctypes.c_char.from_buffer(self.data))
        self.words: ctypes.Array[ctypes.c_uint64] = (ctypes.c_uint64 * (BLOCKS // 8)).from_buffer(self.data)
        self.blocks: ctypes.Array[ctypes.Array[ctypes.c_uint64]] = (
            ctypes.c_uint64 * (BLOCK_SIZE // 8) * MOST_THREADS
        ).from_buffer(self.data, BLOCKS)
        # Reentrant: the garbage collector may drop a function, and its range, at any moment.
        self.lock: threading.RLock = threading.RLock()
        self.local: threading.local = threading.local()
        self.abandoned: list[mmap.mmap] = []
        self.free_ranges: list[int] = list(range(MOST_RANGES - 1, -1, -1))
        # A manager of its own: no cleanup() of another takes a handler or a stub from under a signal or a call.
        self.manager: CodeMemoryManager = CodeMemoryManager()
        self.parents: list[CodeMemoryManager] = []
        """In a forked child, the managers of what was made before."""
        self.method_name = sys.intern("_fault")
        self.settle_name = sys.intern("_settle")
        self.tidied_name = sys.intern("_tidied")
        settings = {
            "DATA": self.address,
            "ACTIONS": ACTIONS,
            "RANGES": RANGES,
            "BLOCKS": BLOCKS,
            "METHOD_NAME": id(self.method_name),
            "None_": id(None),
            "LEFT_DIRECTION": machine_state.DIRECTION,
            "LEFT_ALIGNMENT": machine_state.ALIGNMENT,
            "LEFT_MXCSR": machine_state.MXCSR,
            "LEFT_X87_CONTROL": machine_state.X87_CONTROL,
            "LEFT_X87_STACK": machine_state.X87_STACK,
            "LEFT_MMX": machine_state.MMX,
            **{name: entry_point(name) for name in GUARD_CALLS},
        }
        head = "".join(f".equ {name}, {value:#x}\n" for name, value in settings.items())
        program = assemble(head + resources.files(__package__).joinpath("guard.s").read_text())
        self.memory: ExecutableMemory = self.manager.allocate(program.code, name="guard")
        base = self.memory.address - program.address
        self.labels: dict[str, int] = {name: address + base for name, address in program.labels.items()}
        self.add_range(self.labels["find"], self.memory.address + len(program.code))
        self.raw: MethodDefinition = MethodDefinition(b"raw", self.labels["raw"], METH_O, None)
        os.register_at_fork(after_in_child=self._after_fork)
        atexit.register(self.withdraw)

    # ---- signal handlers

    def install(self, *numbers: int) -> None:
        """Put the handlers of these signals in place, again where another has taken their place since."""
        flags = signals.SA_SIGINFO | signals.SA_ONSTACK | signals.SA_RESTORER
        everything = 2**64 - 1  # no second signal until the handler is done
        ours = struct.pack("<4Q", self.labels["handler"], flags, self.labels["restorer"], everything)
        for number in numbers:
            before = signals.signal_action(number)
            if before[:8] != ours[:8]:
                at = ACTIONS + 32 * number
                self.data[at : at + 32] = before
                signals.signal_action(number, ours)

    def withdraw(self) -> None:
        """Give every signal back to the handler that had it before."""
        for number in SIGNALS:
            if signals.signal_action(number)[:8] == struct.pack("<Q", self.labels["handler"]):
                at = ACTIONS + 32 * number
                signals.signal_action(number, self.data[at : at + 32])

    # ---- threads

    def enlist(self) -> int:
        """The number of this thread's block; makes one the first time.

        Raises:
            EngineUnavailableError: MOST_THREADS threads have one already.
        """
        place: ThreadSlot | None = getattr(self.local, "place", None)
        if place is None:
            place = self.local.place = self._new_place()
        return place.index

    def _new_place(self) -> ThreadSlot:
        with self.lock:
            index = next((i for i, block in enumerate(self.blocks) if not block[_TID]), None)
            if index is None:
                raise EngineUnavailableError(f"{MOST_THREADS} threads call native code already")
            block = self.blocks[index]
            block[_ARMED] = 0
            block[_FS] = signals.thread_address()
            block[_TID] = threading.get_native_id()
            self.words[_BLOCK_COUNT] = max(self.words[_BLOCK_COUNT], index + 1)
        stack = None
        if not signals.has_signal_stack():
            # A handler cannot run on a stack that is exhausted, or that the code has lost.
            stack = mmap.mmap(-1, _STACK_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            signals.set_signal_stack(ctypes.addressof(ctypes.c_char.from_buffer(stack)), _STACK_SIZE)
        return ThreadSlot(self, index, stack)

    def strike_off(self, place: ThreadSlot) -> None:
        """Take the thread that is ending out of the table."""
        with self.lock:
            if place.stack is not None:
                signals.set_signal_stack(0, 0)
            block = self.blocks[place.index]
            if self.words[_CURRENT_FS] == block[_FS]:
                self.words[_CURRENT_FS] = 0
            block[_TID] = block[_FS] = 0

    def _after_fork(self) -> None:
        """In a child: its one thread has a new number, the others are gone, and with them what they held."""
        global _guard_lock
        _guard_lock = threading.RLock()
        self.lock = threading.RLock()
        self.parents.append(self.manager)
        self.manager = CodeMemoryManager()
        self.words[_CURRENT_FS] = 0
        place: ThreadSlot | None = getattr(self.local, "place", None)
        for index in range(self.words[_BLOCK_COUNT]):
            mine = place is not None and index == place.index
            self.blocks[index][_TID] = threading.get_native_id() if mine else 0

    def take_left(self) -> int:
        """What the last calls on this thread left otherwise than they found it, in the bits of machine_state.py."""
        block = self.blocks[self.enlist()]
        left, block[_LEFT] = block[_LEFT], 0
        return left

    # ---- ranges

    def add_range(self, start: int, end: int) -> int:
        """Let faults between the two addresses be survived; returns a number for `drop_range`.

        Raises:
            EngineUnavailableError: There are MOST_RANGES of them already.
        """
        with self.lock:
            if not self.free_ranges:
                raise EngineUnavailableError(f"{MOST_RANGES} pieces of native code exist already")
            index = self.free_ranges.pop()
            at = RANGES // 8 + 2 * index
            self.words[at], self.words[at + 1] = start, end
            self.words[_RANGE_COUNT] = max(self.words[_RANGE_COUNT], index + 1)
            return index

    def drop_range(self, index: int) -> None:
        """Let faults there be faults again."""
        with self.lock:
            at = RANGES // 8 + 2 * index
            self.words[at] = self.words[at + 1] = 0
            self.free_ranges.append(index)


_guard: Guard | None = None
# Reentrant: a finalizer that runs while the guard is made may want it too.
_guard_lock = threading.RLock()


def guard() -> Guard:
    """The process's guard, made and put in place on first use."""
    global _guard
    with _guard_lock:
        if _guard is None:
            _guard = Guard()
            interrupts.when_restored(renew_guard)
            for module, name in _REPLACERS:
                _renew_after(module, name)
    _guard.install(*SIGNALS)
    return _guard


def renew_guard(*numbers: int) -> None:
    """Put the guard's handlers back in place where they were replaced, as a notebook does in every cell.

    Args:
        numbers: The signals; all of the guard's if none is named.
    """
    if _guard is not None:
        _guard.install(*(numbers or SIGNALS))


_REPLACERS = ((faulthandler, "enable"), (faulthandler, "disable"), (signal, "signal"))
"""Python's own functions that put another handler in place."""


def _renew_after(module: ModuleType, name: str) -> None:
    """Have a function of Python's put the guard's handlers back in front of the one that it has put in place.

    A call cannot look whether they are still there: that is a system call for each signal, many times as long as the
    call itself. Handlers that a library puts in place without Python hand a fault on to the guard, or raise it again,
    which it sees (guard.s); those that do neither are replaced with the next cell, function or run.
    """
    replacing = getattr(module, name)

    @functools.wraps(replacing)
    def renewing(*arguments: Any, **named: Any) -> Any:
        try:
            return replacing(*arguments, **named)
        finally:
            renew_guard()

    setattr(module, name, renewing)


@dataclasses.dataclass(frozen=True, slots=True)
class Arrived:
    """A signal that ended a call: its number, where the program counter was, and where the stub's frame is."""

    number: int
    rip: int
    frame: int


class FaultArrived(Exception):
    """Carries what arrived through the Python that made the call."""

    def __init__(self, arrived: Arrived) -> None:
        super().__init__(arrived)
        self.arrived = arrived


def arrived_signal(guard: Guard) -> Arrived:
    """What ended the call on this thread.

    Raises:
        KeyboardInterrupt: An interrupt did, or what the handler of Python's own raises for it.
    """
    block = guard.blocks[guard.enlist()]
    number = block[_SIGNAL]
    if number == signal.SIGINT:
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler) and threading.current_thread() is threading.main_thread():
            handler(number, sys._getframe(1))
        raise KeyboardInterrupt
    return Arrived(number, block[_RIP], block[_FRAME])


class Catcher:
    """What stands behind `raw`, the builtin that calls code with registers as they are given (`f.__self__`)."""

    __slots__ = ("guard",)

    def __init__(self, guard: Guard) -> None:
        self.guard = guard

    def _fault(self) -> NoReturn:
        raise FaultArrived(arrived_signal(self.guard))
