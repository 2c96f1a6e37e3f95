"""The wide registers, in and out, where this processor has them and at the places it keeps them in."""

from __future__ import annotations

import array
import struct

import numpy as np
import pytest

import execmem_kernel as em
from execmem_kernel.execution.values import xsave
from execmem_kernel.x86.features import cpu_features

HAS_AVX512 = "avx512f" in cpu_features()


def test_the_parts_of_a_vector_state_lie_where_the_processor_says() -> None:
    places = []
    for component in (5, 6, 7):
        outcome = em.run(f"push rbx\nmov eax, 0xd\nmov ecx, {component}\ncpuid\nmov eax, ebx\npop rbx\nret")
        places.append(outcome.registers["rax"])
    state = em.run("ret").registers.vectors._state  # type: ignore[attr-defined]
    assert xsave.wide_at(state) == (tuple(places) if HAS_AVX512 else None)


def test_every_register_that_there_is_goes_in_and_comes_out() -> None:
    names = [f"zmm{n}" for n in range(32)] if HAS_AVX512 else [f"xmm{n}" for n in range(16)]
    bits = 512 if HAS_AVX512 else 128
    given = {name: (n + 1) * int("01" * (bits // 8), 16) for n, name in enumerate(names)}
    if HAS_AVX512:
        given |= {f"k{n}": 0x0101010101010101 * (n + 1) for n in range(8)}
    outcome = em.run("ret", registers=given)
    assert {name: outcome.registers[name] for name in given} == given


def test_a_program_sees_the_registers_it_was_given() -> None:
    store = "vmovdqu64 [rdi], zmm17" if HAS_AVX512 else "movdqu [rdi], xmm7"
    name, size = ("zmm17", 64) if HAS_AVX512 else ("xmm7", 16)
    data = bytes(range(1, size + 1))
    given = {"rdi": "b", name: int.from_bytes(data, "little")}
    outcome = em.run(f"{store}\nret", registers=given, buffers={"b": size})
    assert outcome.buffers["b"] == data


@pytest.mark.parametrize(
    ("given", "lanes", "kind"),
    [
        (1.5, (1.5, 0.0), "double"),
        ([1.5, -2.0], (1.5, -2.0), "double"),
        (struct.pack("<4f", 1, 2, 3, 4), (1.0, 2.0, 3.0, 4.0), "float"),
        (np.array([1, -2, 3, 4], dtype=np.int32), (1, -2, 3, 4), "int32"),
        (array.array("H", [1, 2, 65535]), (1, 2, 65535, 0, 0, 0, 0, 0), "uint16"),
        (np.float32(0.5), (0.5, 0.0, 0.0, 0.0), "float"),
        (np.arange(8, dtype=np.float16), tuple(map(float, range(8))), "half"),
        (bytes(range(16)), tuple(range(16)), "uint8"),
        (-1, (-1, -1), "int64"),
    ],
)
def test_lanes_go_in_and_come_out(given: object, lanes: tuple[float, ...], kind: str) -> None:
    outcome = em.run("movaps xmm1, xmm3\nret", {"xmm3": given})
    assert outcome.registers.lanes("xmm1", kind) == lanes
    assert outcome.warnings == ()


def test_lanes_that_cannot_be_are_refused_plainly() -> None:
    for given, said in (
        (bytes(17), "has 16 bytes and cannot hold 17"),
        ([1, 2], "whose lanes are doubles"),
        ([1.0, 2.0, 3.0], "cannot hold 24"),
        (np.array([object()]), "Python's own objects"),
        ({"a": 1}, "must be bytes"),
        (None, "must be bytes"),
    ):
        with pytest.raises((TypeError, ValueError), match=said):
            em.run("ret", {"xmm0": given})
    registers = em.run("ret").registers
    with pytest.raises(ValueError, match="no kind of lane; there are double, float"):
        registers.lanes("xmm0", "short")
    with pytest.raises(ValueError, match="no vector register"):
        registers.lanes("rax")
    with pytest.raises(TypeError, match="takes a whole number"):
        em.run("ret", {"rax": 1.5})
    with pytest.raises(ValueError, match="'rip' is not a register that can be set"):
        em.run("ret", {"rip": 1})
