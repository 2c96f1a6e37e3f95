"""The opcode forms of each mnemonic."""

from __future__ import annotations

from typing import get_args

from execmem_kernel.x86 import forms


def test_forms_are_readable() -> None:
    texts = {form.text for form in forms.known_forms()["add"]}
    assert {"add r/m64, r64", "add r64, r/m64", "add r/m64, imm8", "add al, imm8"} <= texts


def test_every_operand_of_every_form_takes_something() -> None:
    for found in forms.known_forms().values():
        for form in found:
            for slot in form.slots:
                branch = "BR" in slot.name or "XBEGIN" in slot.name or "FAR" in slot.name
                assert slot.registers or slot.memory or slot.immediate or branch, f"{form.text}: {slot.name}"
                assert slot.memory in get_args(forms.MemoryKind)


def test_a_sign_extended_byte_takes_numbers_that_wrap() -> None:
    (form,) = (form for form in forms.forms_of("add") if form.text == "add r/m32, imm8")
    slot = form.slots[1]
    assert slot.fits(-1)
    assert slot.fits(0xFFFF_FFFF)
    assert not slot.fits(128)


def test_what_is_no_mnemonic_has_no_forms() -> None:
    assert forms.forms_of("nonsense") == ()
