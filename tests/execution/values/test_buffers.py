"""What `buffers=` takes."""

from __future__ import annotations

import numpy as np
import pytest

from execmem_kernel.execution.contract.call import Buffer
from execmem_kernel.execution.values.buffers import as_buffer


def test_buffers_are_taken_from_whatever_holds_bytes() -> None:
    fixed = Buffer(b"x", address=0x2000_0000)
    assert as_buffer("a", fixed).address == 0x2000_0000
    assert as_buffer("a", 16) == Buffer(16)
    assert as_buffer("a", np.array([[1, 2]], "u1")) == Buffer(b"\1\2")
    assert as_buffer("a", bytearray(b"hi")) == Buffer(b"hi")
    assert as_buffer("a", memoryview(b"hi")[:1]) == Buffer(b"h")


def test_a_buffer_is_a_copy_taken_when_it_was_given() -> None:
    data = bytearray(b"hi")
    buffer = as_buffer("a", Buffer(data, writable=False))
    data[0] = 0
    assert buffer.data == b"hi"
    assert not buffer.writable


@pytest.mark.parametrize("value", ["text", None, 1.5, True, [1, 2]])
def test_what_holds_no_bytes_is_no_buffer(value: object) -> None:
    with pytest.raises(TypeError, match="buffer 'a' must be bytes, a bytearray, a memoryview"):
        as_buffer("a", value)


def test_a_buffer_of_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot have -1 bytes"):
        as_buffer("a", -1)
