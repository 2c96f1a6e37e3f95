"""Machine code called inside this process, as fast as a Python builtin, and guarded: a fault becomes an exception.

    builtin ──stub──> the code          conversions and the guard in stub.s, put together for one prototype
       │ self                           everything that is not an everyday case, in Python
       └──> NativeCode ──owns──> the code's memory, the stub's memory, the method definition

It is for speed, and asked for by name: a wild write can still destroy the process. What is promised:

- a fault in the code, a jump to nowhere, an exhausted or destroyed stack: an exception, and the thread goes on;
- an interrupt (Ctrl-C) ends an endless loop: KeyboardInterrupt;
- callee-saved registers, the stack pointer, the flags, the controls of floating point and the x87 stack are as they
  were, whatever the code does to them; of those that Python's own work hangs on, a RuntimeWarning says it;
- faults that are not the code's go to the handler that stood before (faulthandler's, for one).

The interpreter's lock is held during a call. A fault inside a library that the code called is not survived.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import signal
import struct
import warnings
import weakref
from collections.abc import Callable
from types import MappingProxyType, ModuleType
from typing import Any, NoReturn

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import (
    EngineUnavailableError,
    InheritedMemoryError,
    ProgramFault,
    SegmentationFault,
)
from execmem_kernel.execution.contract.outcome import FAULT_ERRORS
from execmem_kernel.execution.native.cpython import (
    METH_FASTCALL,
    PYBUF_FULL_READ_ONLY,
    BufferView,
    MethodDefinition,
    get_buffer,
    make_builtin,
    release_buffer,
    unavailable,
)
from execmem_kernel.execution.native.ctypes_function import CtypesFunction
from execmem_kernel.execution.native.fault_sentence import FaultSentence
from execmem_kernel.execution.native.guard import Arrived, Catcher, FaultArrived, Guard, arrived_signal, guard
from execmem_kernel.execution.native.machine_state import left_changed, watch_for
from execmem_kernel.execution.native.stub import ARGUMENTS_IN_FRAME, INTEGER_SLOTS, slot_of, stub
from execmem_kernel.execution.values.c_types import Pointer
from execmem_kernel.execution.values.conversion import Pointed
from execmem_kernel.execution.values.prototype import Parameter, Passed, Prototype
from execmem_kernel.execution.values.prototype_parser import parse_prototype
from execmem_kernel.memory.block import closed_error
from execmem_kernel.memory.handle import ExecutableMemory, block_of, owner_of
from execmem_kernel.memory.session import manager
from execmem_kernel.program.program import CODE_ADDRESS, Program, Segment

_ERRORS = MappingProxyType({int(signal.Signals[name]): error for name, error in FAULT_ERRORS.items()})


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
        self._raw = make_builtin(ctypes.addressof(self.guard.raw), Catcher(self.guard), None)
        code = stub(self.guard, prototype, watch_for(program), self._target, ctypes.addressof(self._gate))
        self._stub = self.guard.manager.allocate(code, name=f"stub of {prototype.name}")
        ranges = (
            # A breakpoint is noticed one byte behind it, so the first int3 after the block belongs to it.
            self.guard.add_range(memory.address, memory.address + block_of(memory).capacity + 1),
            self.guard.add_range(self._stub.address, self._stub.address + self._stub.size),
        )
        # The memory hangs on this finalizer: in a cycle of garbage it would otherwise be finalized before its owner.
        own = memory if owned else None
        weakref.finalize(self, _give_back, self.guard, ranges, self._stub, own).atexit = False
        self._definition = MethodDefinition(
            prototype.name.encode(), self._stub.address, METH_FASTCALL, _documentation(prototype).encode()
        )

    def builtin(self) -> Callable[..., Any]:
        """The function: Python's own kind of builtin, with this object as its `__self__`."""
        # SAFETY: the builtin owns this object, and this object owns the definition and the stub.
        function: Callable[..., Any] = make_builtin(ctypes.addressof(self._definition), self, None)
        return function

    def __call__(self, *arguments: Any) -> Any:
        """What the stub leaves to Python: conversions that are not everyday ones, and every error."""
        self.guard.enlist()
        checked = self.prototype.check(arguments)
        if not self._gate[0]:
            raise closed_error(block_of(self.memory), "closed")
        values = _Values(target=self._target, gate=ctypes.addressof(self._gate))
        held: list[tuple[Pointed, Any]] = []
        views: list[BufferView] = []
        try:
            for parameter, item in zip(self.prototype.parameters, checked, strict=True):
                _store(values, parameter, self._address(item, held, views) if isinstance(item, Pointed) else item)
            self._raw(ctypes.addressof(values))
        except FaultArrived as fault:
            raise self._explained(fault.arrived, self.prototype.convert(arguments)) from None
        finally:
            self._settle()
            for view in views:
                release_buffer(ctypes.addressof(view))
        for pointed, copy in held:
            if pointed.put is not None:
                pointed.put(copy.raw[: pointed.size])
        self._warn()
        return self.prototype.value(values.rax, values.xmm0, self._text_at)

    def _address(self, pointed: Pointed, held: list[tuple[Pointed, Any]], views: list[BufferView]) -> int:
        """Where the memory of a pointer argument is: the argument's own, or a copy made for the call."""
        if isinstance(pointed.data, memoryview):
            view = BufferView()
            # SAFETY: released after the call; until then the object cannot move or resize its memory.
            get_buffer(pointed.data, ctypes.addressof(view), PYBUF_FULL_READ_ONLY)
            views.append(view)
            pointed.address = int(view.address or 0)
            return pointed.address
        for known, copy in held:
            if known is pointed:
                return ctypes.addressof(copy)
        copy = ctypes.create_string_buffer(pointed.data, max(1, len(pointed.data)))
        held.append((pointed, copy))
        pointed.address = ctypes.addressof(copy)
        for at, target, offset in pointed.targets:
            struct.pack_into("<Q", copy, at, self._address(target, held, views) + offset)
        return pointed.address

    def _text_at(self, address: int) -> bytes:
        """A C string in this process; a pointer that leads nowhere is a fault, and survived."""
        values = _Values(target=self.guard.labels["measure"], gate=ctypes.addressof(self._gate))
        values.integers[0] = address
        try:
            self._raw(ctypes.addressof(values))
        except FaultArrived:
            raise SegmentationFault(f"returned a {self.prototype.result} that points to no text") from None
        return ctypes.string_at(address, values.rax)

    def _settle(self) -> None:
        """After a call: free the code if something closed it while the call ran."""
        if not self._gate[0]:
            owner_of(self.memory).settle_block(block_of(self.memory))

    def _tidied(self) -> None:
        """Called by the stub after a call that left the processor's state otherwise than it found it."""
        self._settle()
        self._warn()

    def _warn(self) -> None:
        """Warn of what a call left; the stub, or `raw`, has put it back already."""
        for sentence in left_changed(self.prototype.name, self.guard.take_left()):
            warnings.warn(sentence, RuntimeWarning, stacklevel=3)  # the caller of the function

    def _fault(self) -> NoReturn:
        """Called by the guard in the place of a result: raises what ended the call."""
        self._settle()
        arrived = arrived_signal(self.guard)
        raise self._explained(arrived, self._passed(arrived.frame))

    def _passed(self, frame: int) -> Passed:
        """The arguments of a call that the stub made, from its frame."""
        parameters = self.prototype.parameters
        if not any(isinstance(parameter.type, Pointer) for parameter in parameters):
            words = (ctypes.c_uint64 * 14).from_address(frame)
            return Passed({parameter.register: words[slot_of(parameter) // 8] for parameter in parameters}, {})
        # SAFETY: the caller of the builtin still holds the arguments, and waits for this to end.
        given = (ctypes.c_void_p * len(parameters)).from_address(
            ctypes.c_uint64.from_address(frame + ARGUMENTS_IN_FRAME).value
        )
        return self.prototype.convert([ctypes.cast(address or 0, ctypes.py_object).value for address in given])

    def _explained(self, arrived: Arrived, passed: Passed) -> ProgramFault:
        sentence = FaultSentence(self.program, self.start, self.guard, arrived, passed)
        return _ERRORS[arrived.number](sentence)

    def __repr__(self) -> str:
        return f"<native code of {self.prototype.name}: {self.engine}>"


def _give_back(guard: Guard, ranges: tuple[int, int], stub: ExecutableMemory, memory: ExecutableMemory | None) -> None:
    """What happens when a native function is gone: its stub goes too, and its code if that has no other owner."""
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


def gate_of(memory: ExecutableMemory) -> Any:
    """The gate of some memory: two numbers, 1 while it may be called, and how many calls of stubs are running in it."""
    block = block_of(memory)
    if block.gate is None:
        block.gate = (ctypes.c_int64 * 2)(1, 0)
    return block.gate


def _documentation(prototype: Prototype) -> str:
    """A builtin's docstring: its signature as Python wants it, then the C prototype."""
    names = "".join(f"{parameter.name}, " for parameter in prototype.parameters)
    return f"{prototype.name}({names}{'/' if names else ''})\n--\n\n{prototype.text}"


def native_function(program: Program, prototype: Prototype | str, *, name: str | None = None) -> Callable[..., Any]:
    """A builtin for an assembled program; its memory lives as long as the builtin.

    Args:
        program: The program; it has no other segment than its code.
        prototype: Of the function to make.
        name: What the memory manager calls its memory; the prototype's name if not given.

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
    """A callable for code that has another owner: `memory.function("int64_t add(int64_t a, int64_t b)")`."""
    code = memory.read()
    program = Program("", "intel", (Segment("text", CODE_ADDRESS, code, len(code), "r-x"),))
    return _callable(parse_prototype(prototype), memory, program, owned=False)


def _callable(prototype: Prototype, memory: ExecutableMemory, program: Program, owned: bool) -> Callable[..., Any]:
    reason = unavailable()
    if reason is not None:
        return CtypesFunction(prototype, memory, program, owned, reason)
    return NativeCode(prototype, memory, program, owned).builtin()
