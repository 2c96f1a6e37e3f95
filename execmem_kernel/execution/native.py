"""Machine code called inside this process, as fast as a Python builtin, and guarded: a fault becomes an exception.

    builtin ──stub──> the code          conversions and the guard in native_stub.s, put together for one prototype
       │ self                           everything that is not an everyday case, in Python
       └──> NativeCode ──owns──> the code's memory, the stub's memory, the method definition

It is for speed, and asked for by name: a wild write can still destroy the process. What is promised:

- a fault in the code, a jump to nowhere, an exhausted or destroyed stack: an exception, and the thread goes on;
- an interrupt (Ctrl-C) ends an endless loop: KeyboardInterrupt;
- callee-saved registers, the stack pointer and the flags are as they were, whatever the code does to them;
- faults that are not the code's go to the handler that stood before (faulthandler's, for one).

The interpreter's lock is held during a call. A fault inside a library that the code called is not survived.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import dataclasses
import functools
import inspect
import mmap
import os
import platform
import re
import signal
import struct
import sys
import sysconfig
import threading
import weakref
from collections.abc import Callable, Mapping
from importlib import resources
from types import MappingProxyType, ModuleType
from typing import Any, NoReturn

from execmem_kernel import linux
from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.program import CODE_ADDRESS, Program, Segment
from execmem_kernel.errors import (
    EngineUnavailableError,
    ExecmemError,
    InheritedMemoryError,
    ProgramFault,
    SegmentationFault,
)
from execmem_kernel.execution.buffers import bytes_of
from execmem_kernel.execution.engine import FAULT_ERRORS, Call, Limits
from execmem_kernel.execution.prototype import Parameter, Passed, Pointed, Pointer, Prototype, Scalar, parse_prototype
from execmem_kernel.execution.running import run_in
from execmem_kernel.memory.manager import CodeMemoryManager, manager
from execmem_kernel.memory.region import ExecutableMemory, closed_error, register_function_factory

SIGNALS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGINT)
"""What the guard handles."""

BYTEARRAY_START = 40
"""Where a bytearray keeps the address of its bytes. Source: cpython/bytearrayobject.h, "PyByteArrayObject"."""
ACTIONS, RANGES, BLOCKS = 0x400, 0x1000, 0x2_1000
"""Where the parts of the guard's data begin; drawn in native_guard.s."""
MOST_RANGES = (BLOCKS - RANGES) // 16
MOST_THREADS = 512
BLOCK_SIZE = 64
_ARMED, _TID, _FS, _SIGNAL, _RIP, _FRAME = range(6)  # numbers of 8 bytes in a block
_ARGUMENTS = 128  # in a stub's frame
_CURRENT_FS, _BLOCK_COUNT, _RANGE_COUNT = 0, 2, 3
_STACK_SIZE = 64 * 1024


def unavailable() -> str | None:
    """Why builtins cannot be made of machine code in this interpreter; None where they can."""
    if platform.machine() != "x86_64" or sys.platform != "linux":
        return f"{platform.machine()} {sys.platform} is not x86-64 Linux"
    if platform.python_implementation() != "CPython":
        return f"{platform.python_implementation()} is not CPython"
    if not (3, 11) <= sys.version_info[:2] <= (3, 14):
        return f"the insides of Python {sys.version_info[0]}.{sys.version_info[1]} are not known here"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "this Python has no global interpreter lock, which the guard relies on"
    if object.__basicsize__ != 16 or bytes.__basicsize__ != 33:
        return "this Python lays its objects out in another way"
    small, text = -5, bytearray(b"text")
    words = (ctypes.c_uint64 * 4).from_address(id(small))
    # Since 3.14 bit 2 of the size says that the number is one of those that are never freed.
    size = words[2] if sys.version_info < (3, 12) else words[2] & ~4
    expected = (id(int), 2**64 - 1 if sys.version_info < (3, 12) else 8 | 2, 5)
    start = ctypes.c_uint64.from_address(id(text) + BYTEARRAY_START).value
    if (words[1], size, words[3] & 0xFFFF_FFFF) != expected or start != ctypes.addressof(
        ctypes.c_char.from_buffer(text)
    ):
        return "this Python lays its objects out in another way"
    return None


def _entry_point(name: str) -> int:
    """The address of a function of the interpreter's C interface."""
    address = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
    assert address is not None
    return address


class _Definition(ctypes.Structure):
    """PyMethodDef. Source: Python/C API Reference Manual, "Common Object Structures"."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("documentation", ctypes.c_char_p),
    )


_METH_O, _METH_FASTCALL = 0x8, 0x80

_make_builtin = ctypes.pythonapi.PyCFunction_NewEx
_make_builtin.restype = ctypes.py_object
_make_builtin.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]


class _View(ctypes.Structure):
    """Py_buffer. Source: Python/C API Reference Manual, "Buffer Protocol"."""

    _fields_ = (
        ("address", ctypes.c_void_p),
        ("object", ctypes.c_void_p),
        ("size", ctypes.c_ssize_t),
        ("rest", ctypes.c_uint64 * 7),
    )


_get_buffer = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = [ctypes.py_object, ctypes.c_void_p, ctypes.c_int]
_release_buffer = ctypes.pythonapi.PyBuffer_Release
_release_buffer.argtypes = [ctypes.c_void_p]
_release_buffer.restype = None
_PYBUF_FULL_READ_ONLY, _PYBUF_CONTIGUOUS, _PYBUF_WRITABLE = 0x11C, 0x3C, 0x1
LETTERS = MappingProxyType(
    {
        **{code: code for code in "bBhHfd?"},
        "i": "il",
        "I": "IL",
        "q": "ql",
        "Q": "QL",
        "char": "bBc",
    }
)
"""A type's code -> the letters that an array of it may have in its format; the size of an item is compared as well."""
GUARD_CALLS = (
    "PyObject_VectorcallMethod", "PyLong_AsVoidPtr", "Py_NewRef",
    "PyObject_GetBuffer", "PyBuffer_Release", "PyErr_Clear",
)  # fmt: skip


def _template(name: str) -> str:
    return resources.files("execmem_kernel.execution").joinpath(name).read_text()


@functools.cache
def _pieces() -> Mapping[str, str]:
    """The pieces of native_stub.s by name."""
    parts = re.split(r"^#: (\w+)\n", _template("native_stub.s"), flags=re.MULTILINE)
    return MappingProxyType(dict(zip(parts[1::2], parts[2::2], strict=True)))


class _Place:
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
        # A manager of its own: no cleanup() of anybody else's takes a handler or a stub from under a signal or a call.
        self.manager: CodeMemoryManager = CodeMemoryManager()
        self.parents: list[CodeMemoryManager] = []
        """In a forked child, the managers of what was made before."""
        self.method_name = sys.intern("_fault")
        self.settle_name = sys.intern("_settle")
        settings = {
            "DATA": self.address,
            "ACTIONS": ACTIONS,
            "RANGES": RANGES,
            "BLOCKS": BLOCKS,
            "METHOD_NAME": id(self.method_name),
            "None_": id(None),
            **{name: _entry_point(name) for name in GUARD_CALLS},
        }
        head = "".join(f".equ {name}, {value:#x}\n" for name, value in settings.items())
        program = assemble(head + _template("native_guard.s"))
        self.memory: ExecutableMemory = self.manager.allocate(program.code, name="guard")
        base = self.memory.address - program.address
        self.labels: dict[str, int] = {name: address + base for name, address in program.labels.items()}
        self.add_range(self.labels["find"], self.memory.address + len(program.code))
        self.raw: _Definition = _Definition(b"raw", self.labels["raw"], _METH_O, None)
        os.register_at_fork(after_in_child=self._after_fork)
        atexit.register(self.withdraw)

    # ---- signal handlers

    def install(self, *numbers: int) -> None:
        """Put the handlers of these signals in place, again if somebody has put another in their place since."""
        flags = linux.SA_SIGINFO | linux.SA_ONSTACK | linux.SA_RESTORER
        everything = 2**64 - 1  # no second signal until the handler is done
        ours = struct.pack("<4Q", self.labels["handler"], flags, self.labels["restorer"], everything)
        for number in numbers:
            before = linux.signal_action(number)
            if before[:8] != ours[:8]:
                at = ACTIONS + 32 * number
                self.data[at : at + 32] = before
                linux.signal_action(number, ours)

    def withdraw(self) -> None:
        """Give every signal back to whoever had it before."""
        for number in SIGNALS:
            if linux.signal_action(number)[:8] == struct.pack("<Q", self.labels["handler"]):
                at = ACTIONS + 32 * number
                linux.signal_action(number, self.data[at : at + 32])

    # ---- threads

    def enlist(self) -> int:
        """The number of this thread's block; makes one the first time."""
        place: _Place | None = getattr(self.local, "place", None)
        if place is None:
            place = self.local.place = self._new_place()
        return place.index

    def _new_place(self) -> _Place:
        with self.lock:
            index = next((i for i, block in enumerate(self.blocks) if not block[_TID]), None)
            if index is None:
                raise EngineUnavailableError(f"{MOST_THREADS} threads call native code already")
            block = self.blocks[index]
            block[_ARMED] = 0
            block[_FS] = linux.thread_address()
            block[_TID] = threading.get_native_id()
            self.words[_BLOCK_COUNT] = max(self.words[_BLOCK_COUNT], index + 1)
        stack = None
        if not linux.has_signal_stack():
            # A handler cannot run on a stack that is exhausted, or that the code has lost.
            stack = mmap.mmap(-1, _STACK_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            linux.set_signal_stack(ctypes.addressof(ctypes.c_char.from_buffer(stack)), _STACK_SIZE)
        return _Place(self, index, stack)

    def strike_off(self, place: _Place) -> None:
        """Take the thread that is ending out of the table."""
        with self.lock:
            if place.stack is not None:
                linux.set_signal_stack(0, 0)
            block = self.blocks[place.index]
            if self.words[_CURRENT_FS] == block[_FS]:
                self.words[_CURRENT_FS] = 0
            block[_TID] = block[_FS] = 0

    def _after_fork(self) -> None:
        """In a child: its one thread has a new number, the others are gone."""
        self.lock = threading.RLock()
        self.parents.append(self.manager)
        self.manager = CodeMemoryManager()
        self.words[_CURRENT_FS] = 0
        place: _Place | None = getattr(self.local, "place", None)
        for index in range(self.words[_BLOCK_COUNT]):
            mine = place is not None and index == place.index
            self.blocks[index][_TID] = threading.get_native_id() if mine else 0

    # ---- ranges

    def add_range(self, start: int, end: int) -> int:
        """Let faults between the two addresses be survived; returns a number for `drop_range`."""
        with self.lock:
            if not self.free_ranges:
                raise EngineUnavailableError(f"{MOST_RANGES} pieces of native code exist already")
            index = self.free_ranges.pop()
            at = RANGES // 8 + 2 * index
            self.words[at], self.words[at + 1] = start, end
            self.words[_RANGE_COUNT] = max(self.words[_RANGE_COUNT], index + 1)
            return index

    def drop_range(self, index: int) -> None:
        with self.lock:
            at = RANGES // 8 + 2 * index
            self.words[at] = self.words[at + 1] = 0
            self.free_ranges.append(index)


_guard: Guard | None = None
_guard_lock = threading.Lock()


def guard() -> Guard:
    """The process's guard, made and put in place on first use."""
    global _guard
    with _guard_lock:
        if _guard is None:
            _guard = Guard()
    _guard.install(*SIGNALS)
    return _guard


def renew_guard(*numbers: int) -> None:
    """Put the guard's handlers back in place where somebody has replaced them, as a notebook does in every cell.

    Args:
        numbers: The signals; all of the guard's if none is named.
    """
    if _guard is not None:
        _guard.install(*(numbers or SIGNALS))


@dataclasses.dataclass(frozen=True, slots=True)
class _Arrived:
    """A signal that ended a call: its number, where the program counter was, and where the stub's frame is."""

    number: int
    rip: int
    frame: int


class _Fault(Exception):
    """Carries what arrived through the Python that made the call."""

    def __init__(self, arrived: _Arrived) -> None:
        super().__init__(arrived)
        self.arrived = arrived


def _arrived(guard: Guard) -> _Arrived:
    """What ended the call on this thread; an interrupt is raised at once."""
    block = guard.blocks[guard.enlist()]
    number = block[_SIGNAL]
    if number == signal.SIGINT:
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler) and threading.current_thread() is threading.main_thread():
            handler(number, sys._getframe(1))
        raise KeyboardInterrupt
    return _Arrived(number, block[_RIP], block[_FRAME])


class _Catcher:
    """What stands behind `raw`."""

    __slots__ = ("guard",)

    def __init__(self, guard: Guard) -> None:
        self.guard = guard

    def _fault(self) -> NoReturn:
        raise _Fault(_arrived(self.guard))


SENTENCES = MappingProxyType(
    {
        "SIGSEGV": "uses memory in a way that its page does not allow, or jumps to where there is no code",
        "SIGBUS": "uses an address that cannot be one",
        "SIGILL": "is not an instruction of this processor",
        "SIGFPE": "divides, and there is no result",
        "SIGTRAP": "is a breakpoint, or the end of the code was run past",
    }
)
"""What a signal means where a replay could not find out more."""
_ERRORS = MappingProxyType({int(signal.Signals[name]): error for name, error in FAULT_ERRORS.items()})
_REPLAY = Limits(wall_s=0.5)


class FaultSentence:
    """What a fault's error says, worked out when somebody reads it.

    The call is replayed in a process of its own, where the cause of everything can be found. That takes a thousand
    times as long as the fault itself, and a program that catches its faults may never ask.
    """

    def __init__(self, code: NativeCode, arrived: _Arrived, passed: Passed) -> None:
        self.program: Program = code.program
        self.guard: Guard = code.guard
        self.signal_name = signal.Signals(arrived.number).name
        self.offset: int = arrived.rip - code.start
        self.inside: bool = 0 <= self.offset <= len(self.program.code)
        self.passed = passed

    @functools.cached_property
    def text(self) -> str:
        return self._replayed() or self._own_words()

    def _replayed(self) -> str | None:
        """The first sentence of a replay's report, if it ended in the same way."""
        # Here what is const could be written all the same.
        buffers = {name: dataclasses.replace(buffer, writable=True) for name, buffer in self.passed.buffers.items()}
        call = Call(self.program, self.passed.registers, buffers, limits=_REPLAY)
        try:
            outcome = run_in(self.guard.manager, call, name="replay")
        except ExecmemError:  # this host cannot run programs apart
            return None
        offset = outcome.registers["rip"] - self.program.address
        inside = 0 <= offset <= len(self.program.code)
        if outcome.signal != self.signal_name or inside != self.inside or (inside and offset != self.offset):
            return None
        place = f"code+{self.offset:#x}: " if inside and outcome.line is None else ""
        return place + outcome.headline

    def _own_words(self) -> str:
        row = self.program.row_at(self.program.address + self.offset) if self.inside else None
        place = f"line {row.span.line}" if row else f"code+{self.offset:#x}" if self.inside else "outside its code"
        return f"{place}: {SENTENCES[self.signal_name]}"

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return repr(self.text)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (self.text,)


class _Values(ctypes.Structure):
    """What `raw` takes: the code, its gate, arguments, and room for the result."""

    _fields_ = (
        ("target", ctypes.c_uint64),
        ("gate", ctypes.c_uint64),
        ("integers", ctypes.c_uint64 * 6),
        ("floats", ctypes.c_uint64 * 8),
        ("rax", ctypes.c_uint64),
        ("xmm0", ctypes.c_uint64),
    )


class NativeCode(ModuleType):
    """What stands behind a native function (`f.__self__`): its prototype, its memory, and the slow way to call it.

    It is a kind of module because Python then prints its function as `<built-in function add>`: of any other object it
    would print the address, which differs in every run.
    """

    __slots__ = (
        "_definition",
        "_gate",
        "_raw",
        "_stub",
        "_target",
        "guard",
        "memory",
        "program",
        "prototype",
        "start",
    )

    engine = "native: a builtin made of machine code, guarded against faults"

    def __init__(self, prototype: Prototype, memory: ExecutableMemory, program: Program, owned: bool) -> None:
        super().__init__(prototype.name)
        self.prototype: Prototype = prototype
        self.memory: ExecutableMemory = memory
        self.guard: Guard = guard()
        self.start: int = memory.address
        self._target = memory.address + program.entry - program.address
        self._gate = gate_of(memory)
        self.program: Program = program
        self._raw = _make_builtin(ctypes.addressof(self.guard.raw), _Catcher(self.guard), None)
        code = stub(self.guard, prototype, self._target, ctypes.addressof(self._gate))
        self._stub = self.guard.manager.allocate(code, name=f"stub of {prototype.name}")
        ranges = (
            # A breakpoint is noticed one byte behind it, so the first int3 after the block belongs to it.
            self.guard.add_range(memory.address, memory.address + memory._block.capacity + 1),
            self.guard.add_range(self._stub.address, self._stub.address + self._stub.size),
        )
        # The memory hangs on this finalizer: in a cycle of garbage it would otherwise be finalized before its owner.
        own = memory if owned else None
        weakref.finalize(self, _give_back, self.guard, ranges, self._stub, own).atexit = False
        self._definition = _Definition(
            prototype.name.encode(), self._stub.address, _METH_FASTCALL, _documentation(prototype).encode()
        )

    def builtin(self) -> Callable[..., Any]:
        """The function: Python's own kind of builtin, with this object as its `__self__`."""
        # SAFETY: the builtin owns this object, and this object owns the definition and the stub.
        function: Callable[..., Any] = _make_builtin(ctypes.addressof(self._definition), self, None)
        return function

    def __call__(self, *arguments: Any) -> Any:
        """What the stub leaves to Python: conversions that are not everyday ones, and every error."""
        self.guard.enlist()
        checked = self.prototype.check(arguments)
        if not self._gate[0]:
            raise closed_error(self.memory._block, "closed")
        values = _Values(target=self._target, gate=ctypes.addressof(self._gate))
        held: list[tuple[Pointed, Any]] = []
        views: list[_View] = []
        try:
            for parameter, item in zip(self.prototype.parameters, checked, strict=True):
                _store(values, parameter, self._address(item, held, views) if isinstance(item, Pointed) else item)
            self._raw(ctypes.addressof(values))
        except _Fault as fault:
            raise self._explained(fault.arrived, self.prototype.convert(arguments)) from None
        finally:
            self._settle()
            for view in views:
                _release_buffer(ctypes.addressof(view))
        for pointed, copy in held:
            if pointed.put is not None:
                pointed.put(copy.raw)
        return self.prototype.value(values.rax, values.xmm0, self._text_at)

    def _address(self, pointed: Pointed, held: list[tuple[Pointed, Any]], views: list[_View]) -> int:
        """Where the memory of a pointer argument is: the argument's own, or a copy made for the call."""
        if isinstance(pointed.data, memoryview):
            view = _View()
            # SAFETY: released after the call; until then the object cannot move or resize its memory.
            _get_buffer(pointed.data, ctypes.addressof(view), _PYBUF_FULL_READ_ONLY)
            views.append(view)
            return int(view.address or 0)
        for known, copy in held:
            if known is pointed:
                return ctypes.addressof(copy)
        copy = ctypes.create_string_buffer(pointed.data, max(1, len(pointed.data)))
        held.append((pointed, copy))
        return ctypes.addressof(copy)

    def _text_at(self, address: int) -> bytes:
        """A C string in this process; a pointer that leads nowhere is a fault, and survived."""
        values = _Values(target=self.guard.labels["measure"], gate=ctypes.addressof(self._gate))
        values.integers[0] = address
        try:
            self._raw(ctypes.addressof(values))
        except _Fault:
            raise SegmentationFault(f"returned a {self.prototype.result} that points to no text") from None
        return ctypes.string_at(address, values.rax)

    def _settle(self) -> None:
        """After a call: free the code if something closed it while the call ran."""
        if not self._gate[0]:
            self.memory._manager._settle(self.memory._block)

    def _fault(self) -> NoReturn:
        """Called by the guard in the place of a result: raises what ended the call."""
        self._settle()
        arrived = _arrived(self.guard)
        raise self._explained(arrived, self._passed(arrived.frame))

    def _passed(self, frame: int) -> Passed:
        """The arguments of a call that the stub made, from its frame."""
        parameters = self.prototype.parameters
        if not any(isinstance(parameter.type, Pointer) for parameter in parameters):
            words = (ctypes.c_uint64 * 14).from_address(frame)
            return Passed({parameter.register: words[_slot(parameter) // 8] for parameter in parameters}, {})
        # SAFETY: whoever called the builtin still holds the arguments, and waits for this to end.
        given = (ctypes.c_void_p * len(parameters)).from_address(ctypes.c_uint64.from_address(frame + _ARGUMENTS).value)
        return self.prototype.convert([ctypes.cast(address or 0, ctypes.py_object).value for address in given])

    def _explained(self, arrived: _Arrived, passed: Passed) -> ProgramFault:
        return _ERRORS[arrived.number](FaultSentence(self, arrived, passed))

    def __repr__(self) -> str:
        return f"<native code of {self.prototype.name}: {self.engine}>"


def _give_back(guard: Guard, ranges: tuple[int, int], stub: ExecutableMemory, memory: ExecutableMemory | None) -> None:
    """What happens when a native function is gone: its stub goes too, and its code if nobody else owns it."""
    for index in ranges:
        guard.drop_range(index)
    for owned in (stub, memory):
        with contextlib.suppress(InheritedMemoryError):  # a forked child leaves its parent's pages alone
            if owned is not None:
                owned.close()


def _store(values: _Values, parameter: Parameter, bits: int) -> None:
    """Put an argument where `raw` loads its register from."""
    name = parameter.register
    if name.startswith("xmm"):
        values.floats[int(name[3:])] = bits
    else:
        values.integers[INTEGER_SLOTS[name]] = bits


INTEGER_SLOTS = MappingProxyType({"rdi": 0, "rsi": 1, "rdx": 2, "rcx": 3, "r8": 4, "r9": 5})


def gate_of(memory: ExecutableMemory) -> Any:
    """The gate of some memory: two numbers, 1 while it may be called, and how many calls of stubs are running in it."""
    block = memory._block
    if block.gate is None:
        block.gate = (ctypes.c_int64 * 2)(1, 0)
    return block.gate


def _documentation(prototype: Prototype) -> str:
    """A builtin's docstring: its signature as Python wants it, then the C prototype."""
    names = "".join(f"{parameter.name}, " for parameter in prototype.parameters)
    return f"{prototype.name}({names}{'/' if names else ''})\n--\n\n{prototype.text}"


_TARGET, _GATE = 0x5A5A_5A5A_5A5A_5A01, 0x5A5A_5A5A_5A5A_5A02
"""Stand in a stub for the two addresses that are its own."""


def stub(guard: Guard, prototype: Prototype, target: int, gate: int) -> bytes:
    """The machine code of a stub that calls the code at `target`, if the gate is open."""
    code = _assembled_stub(guard, prototype.parameters, prototype.result)
    for place, address in ((_TARGET, target), (_GATE, gate)):
        assert code.count(place.to_bytes(8, "little")) <= 1
        code = code.replace(place.to_bytes(8, "little"), address.to_bytes(8, "little"))
    return code


@functools.lru_cache(256)
def _assembled_stub(guard: Guard, parameters: tuple[Parameter, ...], result: Scalar | Pointer | None) -> bytes:
    """A stub for parameters and a result, assembled once, with its own addresses still to be filled in."""
    return assemble(stub_source(guard, parameters, result)).code


def stub_source(guard: Guard, parameters: tuple[Parameter, ...], result: Scalar | Pointer | None) -> str:
    """A stub's assembly, from the pieces of native_stub.s."""
    pieces = _pieces()
    names = (
        "PyObject_Vectorcall", "PyLong_FromLongLong", "PyLong_FromUnsignedLongLong", "PyFloat_FromDouble",
        "PyBool_FromLong", "Py_NewRef", "PyLong_AsLongLongAndOverflow", "PyLong_AsUnsignedLongLong", "PyErr_Clear",
        "PyObject_VectorcallMethod", "Py_DecRef",
    )  # fmt: skip
    common: dict[str, Any] = {name: f"{_entry_point(name):#x}" for name in names}
    common |= {
        "data": f"{guard.address:#x}",
        "gate": f"{_GATE:#x}",
        "target": f"{_TARGET:#x}",
        "find": f"{guard.labels['find']:#x}",
        "buffer": f"{guard.labels['buffer']:#x}",
        "settle": f"{id(guard.settle_name):#x}",
        "count": len(parameters),
        "int_type": f"{id(int):#x}",
        "float_type": f"{id(float):#x}",
        "bytes_type": f"{id(bytes):#x}",
        "bytearray_type": f"{id(bytearray):#x}",
        "none": f"{id(None):#x}",
        "bytes_start": bytes.__basicsize__ - 1,
        "bytearray_start": BYTEARRAY_START,
    }
    if isinstance(result, Pointer) and result.is_text:
        # Reading the text is a second guarded call: Python makes both.
        return _fill(pieces["entry"] + pieces["slow"], common)
    body = [pieces["entry"]]
    after = [pieces["rare"], pieces["slow"]]
    loads = []
    for index, parameter in enumerate(parameters):
        slot = _slot(parameter)
        own = {"index": index, "argument": 8 * index, "slot": slot}
        loads.append(_load(parameter, slot))
        front, back = _conversion(parameter.type, pieces)
        body.append(_fill(front, own))
        after.append(_fill(back, own))
    body.append(_fill(pieces["call"], {"arguments": "\n".join(loads)}))
    body.append(pieces["result_" + _suffix(result)])
    return _fill("".join(body + after), common)


def _fill(text: str, values: Mapping[str, Any]) -> str:
    """Fill in the {words} that have a value; the others wait for theirs."""
    return re.sub(r"\{(\w+)\}", lambda found: str(values.get(found[1], found[0])), text)


def _slot(parameter: Parameter) -> int:
    """Where a converted argument waits in the stub's frame."""
    name = parameter.register
    return 48 + 8 * int(name[3:]) if name.startswith("xmm") else 8 * INTEGER_SLOTS[name]


def _load(parameter: Parameter, slot: int) -> str:
    """The line that puts a converted argument into its register."""
    if parameter.register.startswith("xmm"):
        return f"        movsd   {parameter.register}, qword ptr [rsp + {slot}]"
    return f"        mov     {parameter.register}, [rsp + {slot}]"


def _suffix(kind: Scalar | Pointer | None) -> str:
    """A type as the pieces' names have it."""
    if kind is None:
        return "void"
    if isinstance(kind, Pointer):
        return "pointer"
    if kind.kind == "float":
        return "float" if kind.size == 4 else "double"
    return "bool" if kind.kind == "bool" else f"{'i' if kind.signed else 'u'}{8 * kind.size}"


def _conversion(kind: Scalar | Pointer, pieces: Mapping[str, str]) -> tuple[str, str]:
    """The pieces that convert one argument: in the stub's course, and after its end."""
    suffix = _suffix(kind)
    if isinstance(kind, Pointer):
        target = kind.target
        if not (target is None or isinstance(target, Scalar)):
            return "        jmp     slow\n", ""
        bytewise = target is None or target.size == 1
        front = pieces["pointer_to_bytes"] if bytewise else ""
        if bytewise and kind.const:
            front = pieces["pointer_to_const_bytes"] + front
        front = pieces["pointer"].replace("{bytes}\n", front)
        letters = "" if target is None else LETTERS[target.name if target.name == "char" else target.code]
        asked = {
            "flags": _PYBUF_CONTIGUOUS if kind.const else _PYBUF_CONTIGUOUS | _PYBUF_WRITABLE,
            "letters": f"{int.from_bytes(letters.encode(), 'little'):#x}",
            "size": target.size if target else 0,
        }
        return _fill(front, asked), ""
    compact = pieces["compact_signed_size" if sys.version_info < (3, 12) else "compact_tagged_size"]
    if suffix == "double":
        return pieces["double"], pieces["whole"].replace("{compact}\n", compact.replace("big_{index}", "slow"))
    if suffix == "float":
        return pieces["float"], ""
    front = pieces["integer"].replace("{compact}\n", compact)
    if suffix == "u64":
        front = front.replace("{range}\n", pieces["range_u64"]) + pieces["after_unsigned"]
        return front, pieces["big_unsigned"]
    range_check = "" if suffix == "i64" else pieces[f"range_{suffix}"]
    return front.replace("{range}\n", range_check), pieces["big_signed"]


def native_function(program: Program, prototype: Prototype | str, *, name: str | None = None) -> Callable[..., Any]:
    """A builtin for an assembled program; its memory lives as long as the builtin.

    Raises:
        EngineUnavailableError: The program needs what only a process of its own has.
    """
    proto = parse_prototype(prototype) if isinstance(prototype, str) else prototype
    for segment in program.segments[1:]:
        raise EngineUnavailableError(
            f"this program has a segment {segment.name!r} of its own; in this process there is only code: "
            "pass data as arguments, or leave native out"
        )
    if program.externs:
        raise EngineUnavailableError(
            f"this program calls {', '.join(program.externs)} of the C library, which only a process of its own has: "
            "leave native out"
        )
    # One byte more stays int3: code that runs past its end stops there, and not in its neighbour.
    memory = manager().allocate(len(program.code) + 1, name=name or proto.name)
    try:
        placed = assemble(program.source, syntax=program.syntax, address=memory.address)
        memory.write(placed.code)
        memory.seal()
        return _callable(proto, memory, _at_name(program, proto), owned=True)
    except BaseException:
        memory.close()
        raise


def _at_name(program: Program, prototype: Prototype) -> Program:
    """The program, entered at the label with the prototype's name if it has one."""
    return dataclasses.replace(program, entry=program.labels.get(prototype.name, program.entry))


def function_of_memory(memory: ExecutableMemory, prototype: str) -> Callable[..., Any]:
    """A callable for code that somebody else owns: `memory.function("int64_t add(int64_t a, int64_t b)")`."""
    code = memory.read()
    program = Program("", "intel", (Segment("text", CODE_ADDRESS, code, len(code), "r-x"),))
    return _callable(parse_prototype(prototype), memory, program, owned=False)


def _callable(prototype: Prototype, memory: ExecutableMemory, program: Program, owned: bool) -> Callable[..., Any]:
    reason = unavailable()
    if reason is not None:
        return CtypesFunction(prototype, memory, program, owned, reason)
    return NativeCode(prototype, memory, program, owned).builtin()


class CtypesFunction:
    """What stands in for a native function where the interpreter is not one we know: ctypes, with no guard."""

    def __init__(
        self, prototype: Prototype, memory: ExecutableMemory, program: Program, owned: bool, reason: str
    ) -> None:
        self.prototype = prototype
        self.memory = memory
        self.engine: str = f"ctypes, without a guard against faults: {reason}"
        if owned:
            weakref.finalize(self, memory.close).atexit = False
        self.__name__: str = prototype.name
        self.__doc__ = prototype.text
        self.__signature__: inspect.Signature = prototype.signature
        kinds = [_ctype(parameter.type) for parameter in prototype.parameters]
        result = None if prototype.result is None else _ctype(prototype.result)
        self._call = ctypes.CFUNCTYPE(result, *kinds)(memory.address + program.entry - program.address)

    def __call__(self, *arguments: Any) -> Any:
        with self.memory.pinned():
            held: list[tuple[Pointed, Any]] = []
            values: list[int | float] = []
            for parameter, item in zip(self.prototype.parameters, self.prototype.check(arguments), strict=True):
                bits = _copied(item, held) if isinstance(item, Pointed) else item
                values.append(_ctype(parameter.type).from_buffer_copy(struct.pack("<Q", bits)).value or 0)
            result = self._call(*values)
            for pointed, copy in held:
                if pointed.put is not None:
                    pointed.put(copy.raw)
            if self.prototype.result is None:
                return None
            bits = int.from_bytes(_ctype(self.prototype.result)(result or 0), "little")
            return self.prototype.value(bits, bits, ctypes.string_at)

    def __repr__(self) -> str:
        return f"<native function {self.prototype.name}: {self.engine}>"


def _ctype(kind: Scalar | Pointer) -> Any:
    """The type that ctypes passes in the same register; integers as wide as the register."""
    if isinstance(kind, Scalar) and kind.kind == "float":
        return ctypes.c_float if kind.size == 4 else ctypes.c_double
    return ctypes.c_uint64


def _copied(pointed: Pointed, held: list[tuple[Pointed, Any]]) -> int:
    """The address of a copy of an argument's memory, one copy for each piece."""
    for known, copy in held:
        if known is pointed:
            return ctypes.addressof(copy)
    data = bytes_of(pointed.data) if isinstance(pointed.data, memoryview) else pointed.data
    copy = ctypes.create_string_buffer(data, max(1, len(data)))
    held.append((pointed, copy))
    return ctypes.addressof(copy)


register_function_factory(function_of_memory)
