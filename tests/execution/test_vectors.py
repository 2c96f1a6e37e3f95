"""The wide registers, in and out, where this processor has them and at the places it keeps them in."""

from __future__ import annotations

import execmem_kernel as em
from execmem_kernel.assembly.disassembler import cpu_features
from execmem_kernel.execution import vectors

HAS_AVX512 = "avx512f" in cpu_features()


def test_the_parts_of_a_vector_state_lie_where_the_processor_says() -> None:
    places = []
    for component in (5, 6, 7):
        outcome = em.run(f"push rbx\nmov eax, 0xd\nmov ecx, {component}\ncpuid\nmov eax, ebx\npop rbx\nret")
        places.append(outcome.registers["rax"])
    state = em.run("ret").registers.vectors._state  # type: ignore[attr-defined]
    assert vectors.wide_at(state) == (tuple(places) if HAS_AVX512 else None)


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
