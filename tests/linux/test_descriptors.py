"""Descriptors are held from the moment they are open, and closed once."""

from __future__ import annotations

import os

import pytest

from execmem_kernel.linux.descriptors import Descriptors


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_all_that_were_opened_are_closed_and_closing_twice_is_harmless() -> None:
    held = Descriptors()
    numbers = [held.open(os.open, "/dev/null", os.O_RDONLY) for _ in range(3)]
    assert all(map(is_open, numbers))
    held.close()
    assert not any(map(is_open, numbers))
    held.close()


def test_a_call_that_fails_leaves_the_others_held() -> None:
    held = Descriptors()
    number = held.open(os.open, "/dev/null", os.O_RDONLY)
    with pytest.raises(FileNotFoundError):
        held.open(os.open, "/dev/no-such-device", os.O_RDONLY)
    assert is_open(number)
    held.close()
    assert not is_open(number)


def test_what_is_dropped_is_closed() -> None:
    held = Descriptors()
    number = held.open(os.open, "/dev/null", os.O_RDONLY)
    del held
    assert not is_open(number)
