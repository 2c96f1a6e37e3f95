"""Steps taken by machine code are what they are when Python takes each of them: the same trace, the same end."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import execmem_kernel as em
from execmem_kernel.execution.contract.outcome import Outcome
from execmem_kernel.execution.trace import recorder, stepping_loop
from execmem_kernel.x86 import addressing
from execmem_kernel.x86.effects import MemoryAccess
from execmem_kernel.x86.features import cpu_features
from tests.execution import test_differential as differential
from tests.running import ENDLESS

PROGRAMS = {
    "loops and memory": "mov ecx, 40\nl: add [rdi], ecx\nxchg [rdi + rcx*2], eax\nxor [rdi], al\ndec ecx\njnz l\nret",
    "the stack": "call f\npush 5\npush [rdi]\npop rax\npop [rdi]\nenter 16, 0\nleave\nret\nf: push rbp\npop rbp\nret 0",
    "32-bit addresses": "mov rax, 0xffffffff00000000\nor rax, rdi\nmov ecx, [eax + 4]\nmov [eax + ecx*2], cl\nret",
    "a segment": "mov rax, rdi\nwrfsbase rax\nmov ecx, fs:[8]\nmov fs:[16], ecx\nxor eax, eax\nwrfsbase rax\nret",
    "strings": "cld\nmov rsi, rdi\nlodsq\nstosb\nmovsd\ncmpsb\nscasw\nmov ecx, 9\nrep movsb\nrep stosq\nret",
    "tables": "mov rbx, rdi\nmov byte ptr [rdi+7], 9\nmov al, 7\nxlatb\nret",
    "bit strings": "mov eax, 100\nbts [rdi], rax\nmov ecx, 70\nbtr dword ptr [rdi], ecx\nbtc word ptr [rdi], 3\nret",
    "locks": "mov eax, 3\nlock xadd [rdi], eax\nlock cmpxchg [rdi], ecx\ncmpxchg16b [rdi]\nret",
    "flags": "stc\npushfq\npop rax\npushfq\npopfq\nlahf\nsahf\npushf\npopf\nret",
    "its own trap flag": "pushfq\nor dword ptr [rsp], 0x100\npopfq\nnop\nret",
    "the trap flag taken back": (
        "pushfq\nand dword ptr [rsp], -257\npopfq\nmov ecx, 3\nl: dec ecx\njnz l\npushfq\npop rax\nret"
    ),
    "the stack segment": (
        "mov ax, ss\nmov ss, ax\nmov ebx, 1\nmov word ptr [rdi], ss\nmov ss, word ptr [rdi]\ninc ebx\nret"
    ),
    "int3": "nop\nint3\nret",
    "icebp": "nop\n.byte 0xf1\nret",
    "int 0x80": "mov eax, 20\nint 0x80\nret",
    "system calls": (
        "mov eax, 39\nsyscall\nmov rbx, rax\nmov eax, 1\nmov edi, 1\nlea rsi, [rip + t]\nmov edx, 2\nsyscall\nret\n"
        't: .ascii "ok"'
    ),
    "a system call that writes": "mov eax, 318\nmov esi, 8\nxor edx, edx\nsyscall\nret",
    "a null pointer": "xor eax, eax\nnop\nmov ecx, [rax]\nret",
    "the end of a buffer": "mov ecx, 10\nl: mov rax, [rdi + 4088]\nadd rdi, 1\ndec ecx\njnz l\nret",
    "a division by zero": "xor ecx, ecx\nmov eax, 1\ndiv ecx\nret",
    "an instruction that does not exist": "nop\nud2",
    "a jump to nowhere": "mov eax, 0x1234\njmp rax",
    "vectors": "movd xmm1, eax\npaddd xmm1, xmm2\nmovdqu [rdi], xmm1\npcmpeqd xmm3, xmm3\nmovdqa xmm9, xmm3\nret",
    "exit": "mov eax, 60\nmov edi, 3\nsyscall",
    "a far return": "push 0x33\nlea rax, [rip + n]\npush rax\nretfq\nn: inc eax\nret",
}  # fmt: skip
if "avx2" in cpu_features():
    PROGRAMS["wide vectors"] = (
        "vpcmpeqd ymm1, ymm1, ymm1\nvmovdqu [rdi], ymm1\nvpaddd ymm10, ymm1, [rdi]\nvpxor ymm2, ymm2, ymm2\n"
        "vmovdqa ymm3, ymm1\nvpgatherdd ymm4, [rdi + ymm2*4], ymm3\nvzeroupper\nmovd xmm1, eax\nret"
    )
if "avx512f" in cpu_features():
    PROGRAMS["the widest vectors"] = (
        "mov eax, 5\nkmovw k1, eax\nvpternlogd zmm20, zmm20, zmm20, 255\nvmovdqu32 [rdi]{k1}, zmm20\n"
        "vpaddd zmm1{k1}{z}, zmm20, zmm20\nvpcmpeqd k2, zmm1, zmm20\nvzeroupper\nret"
    )
C_PROGRAM = (
    "extern qsort, printf\nmain: push rbx\nlea rdi, [a]\nmov esi, 3\nmov edx, 4\nlea rcx, [order]\ncall qsort\n"
    "lea rdi, [f]\nmov esi, [a]\nxor eax, eax\ncall printf\nmov ebx, 7\nmov eax, ebx\npop rbx\nret\n"
    'order: mov eax, [rdi]\nsub eax, [rsi]\nret\nsection .data\na: dd 2, 3, 1\nf: db "%d", 0'
)


@pytest.fixture(autouse=True)
def machine() -> None:
    """The machine code is there, so it is used from the first step on."""
    assert stepping_loop.machine() is not None


def one(source: str, **options: object) -> Outcome:
    buffers = {"b": em.Buffer(4096, address=0x2100_0000)}
    return em.run(source, trace=True, registers={"rdi": "b"}, buffers=buffers, **{"seed": 1, **options})  # type: ignore[arg-type]


def by_python(monkeypatch: pytest.MonkeyPatch, source: str) -> Outcome:
    with monkeypatch.context() as patch:
        patch.setattr(recorder, "machine", lambda: None)
        return one(source, seed=1)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_trace_does_not_tell_who_took_its_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = PROGRAMS[name]
    machine, python = one(source, seed=1), by_python(monkeypatch, source)
    assert machine.trace is not None
    assert machine.trace == python.trace
    assert machine.report() == python.report()
    plain = em.run(source, registers={"rdi": "b"}, buffers={"b": em.Buffer(4096, address=0x2100_0000)}, seed=1)
    assert type(plain) is type(machine)
    assert plain.headline == machine.headline
    assert dict(plain.registers) == dict(machine.registers)
    assert plain.buffers == machine.buffers


def test_a_trace_of_c_functions_does_not_tell_either(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, python = one(C_PROGRAM, seed=1), by_python(monkeypatch, C_PROGRAM)
    assert machine.stdout == b"1"
    assert machine.trace == python.trace


def test_random_programs_have_the_same_trace_by_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    for case in differential.cases(12, 15, differential.pool(12, 300)):
        machine = differential.run_case(case, traced=True)
        with monkeypatch.context() as patch:
            patch.setattr(recorder, "machine", lambda: None)
            python = differential.run_case(case, traced=True)
        assert machine.trace == python.trace, case.text


def test_the_trap_flag_of_a_mov_to_ss_hides_no_step() -> None:
    outcome = one(PROGRAMS["the stack segment"])
    assert outcome.trace is not None
    assert [step.line for step in outcome.trace] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("index", "mask", "name"),
    [([3, 0, 7, 1], [1, 1, 0, 1], "gatherdd"), ([2, 5], [1, 1], "gatherqq"), ([6, 2], [0, 1], "gatherqd")],
)
def test_a_gather_touches_what_its_index_and_its_mask_say(index: list[int], mask: list[int], name: str) -> None:
    width, size = (8 if "rq" in name else 4), (8 if name.endswith("q") else 4)
    chosen = b"".join((b"\xff" if let else b"\0") * size for let in mask)
    places = b"".join(item.to_bytes(width, "little") for item in index)
    access = MemoryAccess("read", "rdi", "xmm1", 8, 16, size)
    wide = {"ymm1": places.ljust(32, b"\0"), "ymm2": chosen.ljust(32, b"\0")}
    text = f"vp{name} xmm0, qword ptr [rdi + xmm1*8 + 0x10], xmm2"
    found = addressing.gathered(text, access, {"rdi": 0x1000}, wide)
    assert found == tuple(0x1010 + 8 * item for item, let in zip(index, mask, strict=True) if let)
    k = sum(let << item for item, let in enumerate(mask)).to_bytes(8, "little")
    text = f"vp{name} xmm0 {{k1}}, qword ptr [rdi + xmm1*8 + 0x10]"
    assert addressing.gathered(text, access, {"rdi": 0x1000}, {**wide, "k1": k}) == found


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_memory_at_a_step_is_what_a_run_that_ends_there_leaves(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, 300))
    traced = one(MIXED).trace
    assert traced is not None
    there = one(MIXED, limits=em.Limits(steps=max(number, 1)))
    number = min(max(number, 1), traced.taken)
    start = data.draw(st.integers(0, 4000))
    size = data.draw(st.integers(1, 96))
    known = traced.memory(0x2100_0000 + start, size, before=number)
    assert bytes(byte or 0 for byte in known) == there.buffers["b"][start : start + size]
    assert None not in known
    low, high = sorted((data.draw(st.integers(0, len(traced))), number))
    part = traced[low:high]
    assert list(part) == list(traced)[low:high]


MIXED = (
    "mov ecx, 20\nl: mov [rdi + rcx*8], rcx\nadd [rdi + rcx], cl\npush rcx\nmov eax, 318\nxor edx, edx\nmov esi, 5\n"
    "push rdi\nadd rdi, 300\npush rcx\nsyscall\npop rcx\npop rdi\npop rcx\nmovdqu xmm1, [rdi]\n"
    "movdqu [rdi + rcx*2 + 700], xmm1\ndec ecx\njnz l\nmov ecx, 300\nrep stosb\nret"
)


def test_what_a_system_call_wrote_is_in_its_step() -> None:
    outcome = one(PROGRAMS["a system call that writes"], seed=1)
    assert outcome.trace is not None
    (step,) = outcome.trace.where("syscall")
    assert [(access.address, access.data) for access in step.writes] == [(0x2100_0000, outcome.buffers["b"][:8])]
    assert bytes(byte or 0 for byte in step.memory(0x2100_0000, 8)) == outcome.buffers["b"][:8]


def test_what_is_called_back_is_in_the_trace_and_nested_rightly() -> None:
    outcome = one(C_PROGRAM)
    assert outcome.trace is not None
    lines = [step.line or step.text for step in outcome.trace]
    assert lines[:9] == [2, 3, 4, 5, 6, 7, "qsort", 16, 17]
    assert lines[-5:] == ["printf", 12, 13, 14, 15]
    for before, here in zip(outcome.trace, outcome.trace[1:], strict=False):
        if here.line == 16:
            assert before.text == "qsort"
        if before.line == 18:
            assert here.text == "qsort"
    last = [step for step in outcome.trace if step.text == "qsort"][-1]
    address = outcome.program.labels["a"]
    assert bytes(byte or 0 for byte in last.memory(address, 12)) == bytes.fromhex("010000000200000003000000")


def test_its_code_is_as_it_was_after_a_call() -> None:
    outcome = one("extern puts\nmain: sub rsp, 8\nlea rdi, [t]\ncall puts\nmov byte ptr [rip + main], 0\nret\nt: db 0")
    assert isinstance(outcome, em.Faulted)
    assert outcome.signal == "SIGSEGV"
    assert outcome.line == 5


def test_many_runs_are_recorded_at_once(nothing_left: None) -> None:
    source = "mov ecx, 700\nl: add [rdi], ecx\npaddd xmm0, xmm1\ndec ecx\njnz l\nret"
    expected = one(source).trace
    found: list[object] = []

    def work() -> None:
        found.extend(one(source).trace for _ in range(3))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12
    assert all(trace == expected for trace in found)


def test_the_stop_button_works_while_steps_are_recorded(nothing_left: None) -> None:
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        timer.start()
        one("l: inc rax\njmp l", limits=ENDLESS)
    timer.join()


def test_a_handler_that_raises_nothing_disturbs_no_trace(nothing_left: None) -> None:
    source = "mov ecx, 3000\nl: add [rdi], ecx\ndec ecx\njnz l\nret"
    expected = one(source).trace
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0007)
    try:
        assert one(source).trace == expected
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert rung


def test_a_forked_process_records_with_memory_of_its_own() -> None:
    expected = one(PROGRAMS["vectors"]).trace
    child = os.fork()
    if child == 0:
        os._exit(0 if one(PROGRAMS["vectors"]).trace == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
