"""Stubs: the machine code that converts arguments for one prototype, calls the code and converts the result."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.execution.contract.calling_convention import INTEGER_ARGUMENTS
from execmem_kernel.execution.native.cpython import BYTEARRAY_START, PYBUF_CONTIGUOUS, PYBUF_WRITABLE, entry_point
from execmem_kernel.execution.native.guard import Guard
from execmem_kernel.execution.native.machine_state import Watch
from execmem_kernel.execution.values.c_types import Pointer, Scalar
from execmem_kernel.execution.values.prototype import Parameter, Prototype

ARGUMENTS_IN_FRAME = 128
"""Where a stub's frame holds the address of the arguments that it was given; drawn in stub.s."""

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


@functools.cache
def _pieces() -> Mapping[str, str]:
    """The pieces of stub.s by name."""
    parts = re.split(r"^#: (\w+)\n", resources.files(__package__).joinpath("stub.s").read_text(), flags=re.MULTILINE)
    return MappingProxyType(dict(zip(parts[1::2], parts[2::2], strict=True)))


INTEGER_SLOTS = MappingProxyType({name: slot for slot, name in enumerate(INTEGER_ARGUMENTS)})
"""Register -> its number among those of integer arguments."""
_TARGET, _GATE = 0x5A5A_5A5A_5A5A_5A01, 0x5A5A_5A5A_5A5A_5A02
"""Stand in a stub for the two addresses that are its own."""


def stub(guard: Guard, prototype: Prototype, watch: Watch, target: int, gate: int) -> bytes:
    """The machine code of a stub that calls the code at `target`, if the gate is open.

    Args:
        guard: Its data and code are named in the stub.
        prototype: What it converts.
        watch: What of the processor's state the code may leave changed.
        target: The address of the code.
        gate: The address of the gate of the code's memory.
    """
    code = _assembled_stub(guard, prototype.parameters, prototype.result, watch)
    for place, address in ((_TARGET, target), (_GATE, gate)):
        assert code.count(place.to_bytes(8, "little")) <= 1
        code = code.replace(place.to_bytes(8, "little"), address.to_bytes(8, "little"))
    return code


@functools.lru_cache(256)
def _assembled_stub(
    guard: Guard, parameters: tuple[Parameter, ...], result: Scalar | Pointer | None, watch: Watch
) -> bytes:
    """A stub for parameters and a result, assembled once, with its own addresses still to be filled in."""
    return assemble(stub_source(guard, parameters, result, watch)).code


def stub_source(guard: Guard, parameters: tuple[Parameter, ...], result: Scalar | Pointer | None, watch: Watch) -> str:
    """A stub's assembly, from the pieces of stub.s.

    Args:
        guard: Its data and code are named in the stub.
        parameters: What it converts to registers.
        result: What it converts to an object of Python's; None for void.
        watch: What of the processor's state is looked at after the call.
    """
    pieces = _pieces()
    names = (
        "PyObject_Vectorcall", "PyLong_FromLongLong", "PyLong_FromUnsignedLongLong", "PyFloat_FromDouble",
        "PyBool_FromLong", "Py_NewRef", "PyLong_AsLongLongAndOverflow", "PyLong_AsUnsignedLongLong", "PyErr_Clear",
        "PyObject_VectorcallMethod", "Py_DecRef",
    )  # fmt: skip
    common: dict[str, Any] = {name: f"{entry_point(name):#x}" for name in names}
    common |= {
        "data": f"{guard.address:#x}",
        "gate": f"{_GATE:#x}",
        "target": f"{_TARGET:#x}",
        "find": f"{guard.labels['find']:#x}",
        "buffer": f"{guard.labels['buffer']:#x}",
        "settle": f"{id(guard.settle_name):#x}",
        "tidied": f"{id(guard.tidied_name):#x}",
        "tidy": f"{guard.labels['tidy']:#x}",
        "keep": f"{guard.labels['keep']:#x}",
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
        slot = slot_of(parameter)
        own = {"index": index, "argument": 8 * index, "slot": slot}
        loads.append(_load(parameter, slot))
        front, back = _conversion(parameter.type, pieces)
        body.append(_fill(front, own))
        after.append(_fill(back, own))
    watched = {"before": pieces[f"before_{watch}"], "after": pieces[f"after_{watch}"]}
    body.append(_fill(pieces["call"], watched | {"arguments": "\n".join(loads)}))
    body.append(pieces["result_" + _suffix(result)])
    return _fill("".join(body + after), common)


def _fill(text: str, values: Mapping[str, Any]) -> str:
    """Fill in the {words} that have a value; the others wait for theirs."""
    return re.sub(r"\{(\w+)\}", lambda found: str(values.get(found[1], found[0])), text)


def slot_of(parameter: Parameter) -> int:
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
            "flags": PYBUF_CONTIGUOUS if kind.const else PYBUF_CONTIGUOUS | PYBUF_WRITABLE,
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
