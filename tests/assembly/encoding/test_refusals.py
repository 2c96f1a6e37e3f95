"""Every reason to refuse an instruction is documented, has an example, and is given where it belongs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.diagnostics.codes import ENCODER_CODES
from execmem_kernel.assembly.encoding.refusals import operand_kinds
from execmem_kernel.errors import AssemblyError

ENCODING = Path(operand_kinds.__file__).parent.parent


def diagnostics(source: str) -> tuple[object, ...]:
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    return caught.value.diagnostics


@pytest.mark.parametrize("code", [code for code, (_, example) in ENCODER_CODES.items() if example])
def test_the_example_of_a_code_triggers_it(code: str) -> None:
    meaning, example = ENCODER_CODES[code]
    assert meaning.endswith(".") or ";" in meaning
    found = diagnostics(example)
    assert [one.code for one in found] == [code], [str(one) for one in found]  # type: ignore[attr-defined]


def test_every_code_made_here_is_in_the_table() -> None:
    made = set()
    for path in ENCODING.rglob("*.py"):
        made |= set(re.findall(r"\"(ASM1\d\d)\"", path.read_text()))
    assert made == set(ENCODER_CODES)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("mov rax, ebx", ["`rax` has 64 bits", "`ebx` has 32 bits"]),
        ("mov al, 256", ["256", "-128 to 255"]),
        ("mov [rax], 1", ["byte ptr", "qword ptr"]),
        ("shl eax, bl", ["cl"]),
        ("add rax, 0x80000000", ["0x80000000", "-0x80000000 to 0x7fffffff"]),
        ("push eax", ["push rax"]),
        ("setz rax", ["setz al"]),
        ("lea rax, rbx", ["[rbx]"]),
        ("mov qword ptr [rax], [rbx]", ["two memory operands"]),
        ("movzx rax, ebx", ["mov eax, ebx"]),
        ("mvo rax, 1", ["`mov`"]),
        ("vaddps xmm0, ymm1, xmm2", ["`xmm0` has 128 bits", "`ymm1` has 256 bits"]),
        ("in rax, dx", ["al, ax or eax"]),
    ],
)
def test_a_refusal_names_what_disagrees_and_what_to_write(source: str, words: list[str]) -> None:
    text = str(diagnostics(source)[0])
    for word in words:
        assert word in text, text


def test_a_refusal_shows_the_forms_that_come_closest() -> None:
    (found,) = diagnostics("add rax")
    assert found.forms  # type: ignore[attr-defined]
    assert all(form.startswith("add ") for form in found.forms)  # type: ignore[attr-defined]
