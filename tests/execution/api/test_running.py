"""A program in, an outcome out: registers, buffers, output, entries, limits, and what is said about misuse."""

from __future__ import annotations

import struct

import pytest

import execmem_kernel as em
from execmem_kernel.x86.disassembler import disassemble
from execmem_kernel.x86.features import cpu_features


def test_it_adds() -> None:
    outcome = em.run("lea rax, [rdi+rsi]\nret", registers={"rdi": 40, "rsi": 2})
    assert isinstance(outcome, em.Returned)
    assert outcome.registers["rax"] == outcome.value == 42
    assert outcome.changed == {"rax": (0, 42)}
    assert outcome.report() == "returned rax = 0x2a (42)"


def test_registers_start_as_zero_and_the_stack_as_after_a_call() -> None:
    outcome = em.run("ret")
    assert {name: value for name, value in outcome.before.items() if value} == {
        "rsp": outcome.before["rsp"],
        "rip": outcome.program.entry,
        "rflags": 0x202,
    }
    assert outcome.before["rsp"] % 16 == 8
    assert outcome.registers["rsp"] == outcome.before["rsp"] + 8


def test_negative_numbers_and_flags_go_in() -> None:
    outcome = em.run("sbb rax, rax\nret", registers={"rax": -5, "rflags": 0x203})
    assert outcome.registers["rax"] == 2**64 - 1
    assert "CF" in outcome.flags


def test_vector_registers_go_in_and_out() -> None:
    one, two = struct.unpack("<2I", struct.pack("<2f", 1.0, 2.0))
    outcome = em.run("addss xmm0, xmm1\npaddd xmm15, xmm15\nret", registers={"xmm0": one, "xmm1": two, "xmm15": 7})
    assert struct.unpack("<f", outcome.registers["xmm0"].to_bytes(16, "little")[:4]) == (3.0,)
    assert outcome.registers["xmm15"] == 14
    assert outcome.before["xmm1"] == two
    assert outcome.registers["xmm2"] == 0


def test_buffers_go_in_and_come_back() -> None:
    outcome = em.run(
        "mov al, [rdi+1]\nmov [rsi], al\nret",
        registers={"rdi": "text", "rsi": "room"},
        buffers={"text": b"hello", "room": 3},
    )
    assert outcome.buffers == {"text": b"hello", "room": b"e\0\0"}


def test_a_buffer_lies_where_it_is_asked_to() -> None:
    outcome = em.run("mov eax, [0x500010]\nret", buffers={"b": em.Buffer(b"\x2a\0\0\0", address=0x500010)})
    assert outcome.registers["rax"] == 42


def test_what_is_written_just_past_a_buffer_is_noticed() -> None:
    source = "mov byte ptr [rdi+5], 1\nret"
    outcome = em.run(source, registers={"rdi": "text"}, buffers={"text": b"hello"})
    assert [warning.code for warning in outcome.warnings] == ["buffer-overrun"]
    assert "just past its end" in outcome.warnings[0].message


def test_every_byte_of_a_buffer_may_be_used_without_a_word() -> None:
    for size in (1, 16, 63, 64, 65, 4096, 5000):
        outcome = em.run("rep stosb\nret", registers={"rdi": "b", "rcx": size, "rax": 7}, buffers={"b": size})
        assert outcome.buffers["b"] == b"\x07" * size
        assert not outcome.warnings


def test_data_segments_are_there_and_zeroed() -> None:
    source = (
        "section .data\nx: dq 5\nsection .rodata\ny: dq 6\nsection .bss\nz: resq 600\n"
        "section .text\nmov rax, [rel x]\nadd rax, [rel y]\nadd rax, [rel z]\nadd rax, [rel z+4792]\n"
        "mov [rel x], rax\nmov [rel z], rax\nret"
    )
    outcome = em.run(source)
    assert outcome.registers["rax"] == 11


def test_a_run_starts_at_the_entry_asked_for() -> None:
    source = "first: mov eax, 1\nret\nsecond: mov eax, 2\nret"
    assert em.run(source).registers["rax"] == 1
    assert em.run(source, entry="second").registers["rax"] == 2
    with pytest.raises(ValueError, match=r"'third' is not a label.*first, second"):
        em.run(source, entry="third")


def test_output_is_collected_and_input_given() -> None:
    source = (
        "sub rsp, 24\nxor eax, eax\nxor edi, edi\nmov rsi, rsp\nmov edx, 16\nsyscall\n"
        "mov edx, eax\nmov eax, 1\nmov edi, 1\nsyscall\nmov eax, 1\nmov edi, 2\nsyscall\nadd rsp, 24\nret"
    )
    outcome = em.run(source, stdin=b"hi\n")
    assert (outcome.stdout, outcome.stderr) == (b"hi\n", b"hi\n")
    assert [call.text for call in outcome.system_calls] == [
        "read(0, stack-0x18, 16) = 3",
        'write(1, "hi\\n", 3) = 3',
        'write(2, "hi\\n", 3) = 3',
    ]
    assert [call.line for call in outcome.system_calls] == [6, 10, 13]


def test_the_life_of_the_region_is_told() -> None:
    kinds = [event.kind for event in em.run("ret").life]
    assert kinds == ["allocated", "written", "sealed", "run", "released"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"registers": {"rax": 2**64}}, "64 bits"),
        ({"registers": {"rdi": "nothing"}}, "no buffer of that name"),
        ({"registers": {"eax": 1}}, "rax"),
        ({"registers": {"rxx": 1}}, "rxx"),
        ({"buffers": {"b": em.Buffer(b"", address=0x10000000)}}, "text"),
        ({"buffers": {"b": em.Buffer(b"", address=0)}}, "cannot be placed"),
        ({"buffers": {"b": -1}}, "-1"),
        ({"timeout_s": 0}, "timeout_s"),
    ],
)
def test_misuse_raises_and_says_what_to_do(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        em.run("ret", **options)  # type: ignore[arg-type]


def test_each_limit_has_an_outcome_of_its_own() -> None:
    loop = "l: jmp l"
    ask = "l: xor edi, edi\nmov esi, 0x1000000\nmov edx, 3\nmov r10d, 0x22\nmov eax, 9\nsyscall\njmp l"
    say = "l: mov eax, 1\nmov edi, 1\nmov rsi, rsp\nmov edx, 8\nsyscall\njmp l"
    for source, limits, limit, error in (
        (loop, em.Limits(wall_s=0.05), "wall", em.TimeLimitExceeded),
        (loop, em.Limits(cpu_s=0.05), "cpu", em.TimeLimitExceeded),
        (loop, em.Limits(steps=100), "steps", em.LimitExceeded),
        (ask, em.Limits(), "memory", em.LimitExceeded),
        (say, em.Limits(output_size=100), "output", em.LimitExceeded),
        (say, em.Limits(system_calls=10), "system calls", em.LimitExceeded),
    ):
        outcome = em.run(source, limits=limits)
        assert isinstance(outcome, em.TimedOut)
        assert outcome.limit == limit
        with pytest.raises(error):
            outcome.raise_for_fault()
        if limit == "output":
            assert len(outcome.stdout) == 100


def test_a_program_at_another_address_runs_there() -> None:
    outcome = em.run("lea rax, [rip]\nret", address=0x2_0000_0000)
    assert outcome.registers["rax"] == 0x2_0000_0007


def test_the_same_program_ends_the_same_way_every_time() -> None:
    source = "mov rax, rsp\nlea rbx, [rip]\npushfq\npop rcx\nmov rdx, [rsp-64]\nret"
    outcomes = [em.run(source) for _ in range(3)]
    assert len({tuple(outcome.registers.values()) for outcome in outcomes}) == 1


def test_an_instruction_that_this_processor_lacks_is_named_although_it_is_never_reached() -> None:
    # 3DNow!: no processor has had it since 2010, so that this holds on every machine.
    outcome = em.run("jmp over\npfadd mm0, mm1\nover: mov eax, 1\nret")
    assert isinstance(outcome, em.Returned)
    (warned,) = [warned for warned in outcome.warnings if warned.code == "feature"]
    assert warned.line == 2
    assert "pfadd" in warned.message
    assert "D3NOW" in warned.message


def test_an_instruction_that_this_processor_lacks_is_named_once_where_it_stops_the_program() -> None:
    outcome = em.run("pfadd mm0, mm1\nret")
    assert isinstance(outcome, em.Faulted)
    assert outcome.signal == "SIGILL"
    assert "D3NOW" in outcome.headline
    assert not outcome.warnings


BEYOND_THE_BASELINE = (
    "vaddph zmm0, zmm1, zmm2",
    "tdpbssd tmm0, tmm1, tmm2",
    "vp2intersectd k0, zmm1, zmm2",
    "{vex} vpdpbusd xmm0, xmm1, xmm2",
    "vfmaddpd xmm0, xmm1, xmm2, xmm3",
    "vpmadd52luq zmm0, zmm1, zmm2",
    "gf2p8mulb xmm0, xmm1",
    "sha256msg1 xmm0, xmm1",
    "adcx eax, ebx",
    "serialize",
    "vpaddd ymm0, ymm1, ymm2",
)


def test_what_this_processor_lacks_is_said_whether_it_is_reached_or_not() -> None:
    source = "jmp past\n" + "\n".join(BEYOND_THE_BASELINE) + "\npast: ret"
    program = em.assemble(source)
    lacking = {
        program.line_at(one.address)
        for one in disassemble(program.code, program.address)
        if set(one.features) - cpu_features()
    }
    outcome = em.run(program)
    assert isinstance(outcome, em.Returned)
    assert {warned.line for warned in outcome.warnings} == lacking
    for line in sorted(filter(None, lacking)):
        stopped = em.run(f"{source.splitlines()[line - 1]}\nret")
        assert isinstance(stopped, em.Faulted)
        assert stopped.signal == "SIGILL"
        assert "it needs" in stopped.report()
        assert "{" not in stopped.headline
