"""Which section, and so which memory, a statement goes to."""

from __future__ import annotations

from execmem_kernel.assembly.assembler import assemble


def test_unknown_sections_go_where_their_flags_say() -> None:
    program = assemble('.section mine,"aw"\nx: .long 1\n.section yours,"ax"\nret')
    assert [segment.name for segment in program.segments] == ["text", "data"]


def test_notes_for_the_linker_take_no_room() -> None:
    program = assemble('ret\n.section .note.GNU-stack,"",@progbits\n.long 1f - 0f\n0: .asciz "GNU"\n1:')
    assert [segment.name for segment in program.segments] == ["text"]
