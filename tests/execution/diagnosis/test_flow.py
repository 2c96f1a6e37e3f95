"""The control-flow graph: where instructions lead, what a loop is, which registers it leaves alone."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.execution.diagnosis import flow


def mnemonics(source: str, label: str) -> list[str]:
    """The mnemonics of the loop that a label is in, in the order of their addresses."""
    program = assemble(source)
    return [one.mnemonic for one in flow.loop_at(program, program.labels[label])]


def test_a_loop_is_what_leads_back_to_an_instruction() -> None:
    assert mnemonics("mov ecx, 5\nagain: dec ecx\njnz again\nret", "again") == ["dec", "jne"]


def test_what_comes_before_and_after_a_loop_is_not_of_it() -> None:
    source = "start: mov ecx, 5\nagain: dec ecx\njnz again\nafter: ret"
    assert mnemonics(source, "start") == []
    assert mnemonics(source, "after") == []


def test_a_function_that_a_loop_calls_is_of_the_loop() -> None:
    source = "again: call one\njmp again\none: inc rax\nret"
    assert mnemonics(source, "one") == ["call", "jmp", "inc", "ret"]


@pytest.mark.parametrize("jump", ["jmp rax", "jmp [rax]", "ret"])
def test_a_jump_to_where_is_not_known_leads_nowhere(jump: str) -> None:
    assert mnemonics(f"again: inc rax\n{jump}", "again") == []


def test_the_ends_of_a_function_are_its_own_and_not_those_of_what_it_calls() -> None:
    program = assemble("call one\nret 8\none: call two\nret 16\ntwo: ret 24")
    graph = flow.flow_of(program.code, program.address, (program.entry,))
    assert [one.text for one in flow.exits_of(graph, program.labels["one"])] == ["ret 0x10"]


def test_registers_that_a_loop_does_not_write_are_steady() -> None:
    program = assemble("again: mov ecx, [rdi]\nadd al, cl\ncmp rsi, rdx\njne again\nret")
    steady = flow.steady_in(flow.loop_at(program, program.labels["again"]))
    assert {"rdi", "rsi", "rdx"} <= set(steady)
    assert not {"rax", "rcx"} & set(steady)
