"""NASM's structures: offsets by name, and data in their shape; compared with nasm."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import AssemblyError
from tests.assembly.linked import linked

PERSON = """
struc person
    .age:    resd 1
    .name:   resb 5
    alignb 8
    .next    resq 1
    .pair:   resw 2
endstruc
"""


@pytest.mark.parametrize(
    "body",
    [
        "section .data\nfirst: istruc person\n at person.age, dd 41\n at person.name, db 'ada', 0\niend\nafter: db 9",
        "section .data\ndd person_size, person.next, person.pair - person.name\ndb 1",
        "section .text\nmov eax, [rdi + person.age]\nlea rsi, [rdi+person.name]\nadd rdi, person_size",
        "section .bss\ncrowd: resb 3 * person_size\nsection .text\nmov ecx, person_size * 3",
        "section .data\nistruc person\niend",
        "section .data\nhere: istruc person\n at .age, dd 7\n at .pair, dw 1, 2\niend",
        "struc late, 16\n.x: resb 4\n.y: resb 4\nendstruc\nsection .data\ndd late.x, late.y, late_size",
        "absolute 0x40\nfield: resw 2\nother: resb 1\nsection .data\ndd field, other",
    ],
)
def test_structures_are_laid_out_and_filled_in_as_nasm_does(body: str) -> None:
    program = assemble(PERSON + body)
    reference = linked(PERSON + body, program, assembler="nasm")
    for segment in program.segments:
        if segment.name != "bss":
            assert segment.data == reference[segment.name]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("struc p\n.x: dd 5\nendstruc", "ASM051"),
        ("struc p\nmov eax, 1\nendstruc", "ASM051"),
        ("struc", "ASM051"),
        ("section .data\nendstruc", "ASM052"),
        ("section .data\niend", "ASM052"),
        ("section .data\nat p.x, dd 5", "ASM052"),
        ("section .data\nistruc nobody\niend", "ASM051"),
        ("section .data\nistruc", "ASM051"),
        (PERSON + "section .data\nistruc person\nat person.age\niend", "ASM051"),
        (PERSON + "section .data\nistruc person\nat person.name, db 1\nat person.age, dd 1\niend", "ASM056"),
        (PERSON + "section .data\nistruc person\nat person.pair, dq 1, 2\niend", "ASM056"),
        ("struc p\n.x: resb 1 << 60\nendstruc", "ASM056"),
    ],
)
def test_a_structure_that_cannot_be_is_refused(source: str, code: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    assert caught.value.diagnostics[0].code == code
