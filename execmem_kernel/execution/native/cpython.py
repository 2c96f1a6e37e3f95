"""What is relied on of CPython: how its objects lie in memory, and functions of its C interface, through ctypes."""

from __future__ import annotations

import ctypes
import platform
import sys
import sysconfig

BYTEARRAY_START = 40
"""Where a bytearray keeps the address of its bytes. Source: cpython/bytearrayobject.h, "PyByteArrayObject"."""


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


def entry_point(name: str) -> int:
    """The address of a function of the interpreter's C interface."""
    address = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
    assert address is not None
    return address


class MethodDefinition(ctypes.Structure):
    """PyMethodDef. Source: Python/C API Reference Manual, "Common Object Structures"."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("documentation", ctypes.c_char_p),
    )


METH_O, METH_FASTCALL = 0x8, 0x80
make_builtin = ctypes.pythonapi.PyCFunction_NewEx
make_builtin.restype = ctypes.py_object
make_builtin.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]


class BufferView(ctypes.Structure):
    """Py_buffer. Source: Python/C API Reference Manual, "Buffer Protocol"."""

    _fields_ = (
        ("address", ctypes.c_void_p),
        ("object", ctypes.c_void_p),
        ("size", ctypes.c_ssize_t),
        ("rest", ctypes.c_uint64 * 7),
    )


get_buffer = ctypes.pythonapi.PyObject_GetBuffer
get_buffer.argtypes = [ctypes.py_object, ctypes.c_void_p, ctypes.c_int]
release_buffer = ctypes.pythonapi.PyBuffer_Release
release_buffer.argtypes = [ctypes.c_void_p]
release_buffer.restype = None
PYBUF_FULL_READ_ONLY, PYBUF_CONTIGUOUS, PYBUF_WRITABLE = 0x11C, 0x3C, 0x1
