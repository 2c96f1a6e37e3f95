"""Traces in files."""

from __future__ import annotations

from pathlib import Path

import pytest

import execmem_kernel as em


def test_a_long_trace_comes_back_as_it_was(tmp_path: Path) -> None:
    source = "mov ecx, 3000\nl: mov [rdi], ecx\naddps xmm0, xmm1\ndec ecx\njnz l\nret"
    limits = em.Limits(trace_steps=50)
    given = {"rdi": "b", "xmm1": 0x3F800000}
    trace = em.run(source, trace=True, registers=given, buffers={"b": 8}, limits=limits).trace
    assert trace is not None
    assert trace.gaps
    trace.save(tmp_path / "t")
    assert em.Trace.load(tmp_path / "t") == trace
    trace[10:20].save(tmp_path / "part")
    part = em.Trace.load(tmp_path / "part")
    assert [step.index for step in part] == list(range(10, 20))


@pytest.mark.parametrize(
    ("content", "words"), [(b"no trace", "is not a saved trace"), (b"execmem trace 2\nxx", "that was damaged")]
)
def test_what_is_no_trace_is_refused_by_its_name(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        em.Trace.load(tmp_path / "t")
