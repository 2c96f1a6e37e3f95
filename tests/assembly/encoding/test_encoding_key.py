"""Encoding keys: what is found out about one operation holds for every other with the same key."""

from __future__ import annotations

from collections.abc import Iterator

from execmem_kernel.assembly.encoding.encoder import CheckedEncoder
from execmem_kernel.assembly.encoding.encoding_key import encoding_key
from execmem_kernel.assembly.encoding.refusals import misspellings, refuse
from execmem_kernel.x86 import canonical_form, forms, selection
from execmem_kernel.x86.disassembler import disassemble
from execmem_kernel.x86.operands import Encoding, Immediate, Memory, Operation, Register
from tests.assembly.encoder_fuzzer import cases, wild_cases


def operations(count: int) -> Iterator[Operation]:
    for case in (*cases(count, seed=41), *wild_cases(count, seed=42)):
        yield case.operation


def test_operations_with_one_key_have_the_same_forms_and_are_refused_alike() -> None:
    said: dict[object, tuple[Operation, object]] = {}
    again = 0
    for operation in operations(8000):
        meant = canonical_form.canonical(operation)
        key = encoding_key(operation)
        # What the encoder asks for before it takes an operation as an example for others.
        if key is None or meant is None or meant.operands != operation.operands:
            continue
        found = selection.select(meant)
        unlike = any(form.info.requires_unique_reg_nums for form in found) or any(
            slot.memory == "implied" for form in forms.forms_of(meant.mnemonic) for slot in form.slots
        )
        if unlike:
            continue
        refused = refuse.refuse(meant, found) is not None or misspellings.misspelt(operation) is not None
        answer = (
            meant.mnemonic,
            meant.prefixes,
            refused,
            () if refused else tuple(form.code for form in found),
        )
        example, expected = said.setdefault(key, (operation, answer))
        again += example is not operation
        assert answer == expected, f"{operation} is not like {example}"
    assert again > 1000, "hardly any key was met twice"


def test_a_key_leaves_out_registers_and_numbers_and_nothing_else() -> None:
    def add(register: str, number: int) -> Operation:
        return Operation("add", (Register(register), Immediate(number)))

    assert encoding_key(add("rbx", 20)) == encoding_key(add("rcx", 100))
    assert encoding_key(add("rbx", 5)) != encoding_key(add("rbx", 1000)), "the number needs a wider form"
    assert encoding_key(add("rbx", 5)) != encoding_key(add("ebx", 5))
    assert encoding_key(add("rbx", 5)) != encoding_key(add("rax", 5)), "the accumulator has forms of its own"
    assert encoding_key(add("bl", 5)) != encoding_key(add("bh", 5)), "bh cannot stand beside r8"
    assert encoding_key(add("rbx", 5)) != encoding_key(Operation("sub", add("rbx", 5).operands))


def test_what_an_encoding_class_makes_is_what_each_would_make_alone() -> None:
    batch = [operation for operation in operations(3000) if encoding_key(operation) is not None]
    encoder = CheckedEncoder()
    try:
        together = encoder.encode(batch)
        encoder._known.clear()
        by_class = encoder.encode(batch)
        encoder._known.clear()
        encoder._classes.clear()
        encoder._CLASSES = 0
        alone = [encoder.encode([operation])[0] for operation in batch[::40]]
    finally:
        encoder.close()
    assert by_class == together
    assert alone == together[::40]
    assert any(isinstance(operand, Memory) for operation in batch for operand in operation.operands)


def test_the_text_beside_the_bytes_is_what_the_disassembler_says() -> None:
    exchange = Operation("xchg", (Memory(Register("rax"), size=8), Register("rbx")), ("xrelease",))
    batch = [exchange, *(case.operation for case in cases(8000, seed=43))]
    encoder = CheckedEncoder()
    try:
        answers = [answer for answer in encoder.encode(batch) if isinstance(answer, Encoding)]
    finally:
        encoder.close()
    # Behind fwait stands an instruction of its own, which the text includes: `finit`, not `wait`.
    whole = [answer for answer in answers if answer.code[0] != 0x9B]
    assert len(whole) > 7000
    for answer in whole:
        assert answer.text == disassemble(answer.code)[0].text
    assert [answer.text for answer in answers if answer.code == bytes.fromhex("9bdbe3")] == ["finit"]
