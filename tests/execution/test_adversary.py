"""What a hostile or clumsy student tries, and a picky grader: every test was a defect once, or nearly."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import re
import signal
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest

import execmem_kernel as em
from execmem_kernel.views.outcome import outcome_report
from tests import running

GETPID = "mov eax, 39\nsyscall\nret"


def in_a_process(script: str, *flags: str, **options: Any) -> str:
    """What a script prints in an interpreter of its own, which must end well and say nothing else."""
    done = running.script(script, flags=flags, **options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_clock_that_runs_out_before_the_door_is_locked_opens_nothing(nothing_left: None) -> None:
    """The real process id would come from a system call that nobody saw."""
    for microseconds in range(1, 120):
        outcome = em.run(GETPID, timeout_s=microseconds / 1e6)
        assert isinstance(outcome, em.TimedOut) or outcome.registers["rax"] == 1000


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"timeout_s": math.inf}, "wall_s is inf"),
        ({"timeout_s": math.nan}, "timeout_s is nan"),
        ({"timeout_s": "2"}, "timeout_s is a number of seconds, not '2'"),
        ({"stdin": "text"}, "stdin is bytes, not str"),
        ({"entry": -1}, "is no address"),
        ({"entry": 2**64}, "is no address"),
        ({"entry": 1.5}, "entry is a label or an address, not 1.5"),
        ({"address": -4096}, "cannot lie at -0x1000"),
        ({"address": 0}, "cannot lie at 0x0"),
        ({"address": 1.5}, "the address is a whole number, not 1.5"),
        ({"registers": {"": 1}}, "'' is not a register that can be set"),
        ({"registers": {"xmmq": 1}}, "'xmmq' is not a register that can be set"),
        ({"registers": {"RAX": 1}}, "names of registers are written small: rax"),
        ({"registers": {"rax": 1.5}}, "rax takes a whole number or a buffer's name, not 1.5"),
        ({"registers": {"rax": None}}, "rax takes a whole number or a buffer's name, not None"),
        ({"buffers": {"b": 2**40}}, "201,326,592 bytes at most"),
        ({"buffers": {"a": 2**27, "b": 2**27}}, "buffer 'b': a program's buffers have"),
        ({"buffers": {"b": em.Buffer(16, 1.5)}}, "at an address, a whole number, not 1.5"),  # type: ignore[arg-type]
        ({"buffers": {"stack": 8}}, "cannot be called 'stack'"),
        ({"buffers": {"": 8}}, "name is a word, not ''"),
    ],
)
def test_an_argument_that_cannot_be_is_refused_by_name(given: Any, complaint: str, nothing_left: None) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(complaint)):
        em.run("ret", **given)


@pytest.mark.parametrize(
    "given",
    [
        {"wall_s": 0}, {"wall_s": -1}, {"cpu_s": 0}, {"cpu_s": math.nan}, {"steps": -1}, {"trace_steps": -1},
        {"output_size": -1}, {"memory_size": -(2**40)}, {"memory_size": 2**64}, {"system_calls": -1},
    ],
)  # fmt: skip
def test_a_limit_that_would_limit_nothing_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match=f"the limit {next(iter(given))} is"):
        em.Limits(**given)


def test_a_limit_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match=r"memory_size is a whole number, not 1\.5"):
        em.Limits(memory_size=1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["", "# nothing", "\n\n"])
def test_a_source_without_an_instruction_is_nothing_to_run(source: str) -> None:
    with pytest.raises(ValueError, match="there is nothing to run"):
        em.run(source)


def test_the_shortest_timeout_is_not_none_at_all(nothing_left: None) -> None:
    outcome = em.run("l: jmp l", timeout_s=1e-12)
    assert isinstance(outcome, em.TimedOut)
    assert outcome.limit == "wall"


def test_numpys_integers_are_integers() -> None:
    outcome = em.run("lea rax, [rdi+rsi]\nret", registers={"rdi": numpy.int64(-2), "rsi": numpy.uint8(200)})
    assert outcome.registers["rax"] == 198


def test_a_buffer_may_have_the_name_of_a_segment() -> None:
    source = "section .data\nq: dq 1\nsection .text\nlea rcx, [rip+q]\nret"
    outcome = em.run(source, {"rdi": "data"}, {"data": b"12345678"})
    assert outcome.describe(outcome.registers["rdi"]).startswith("data")
    assert "segment" in outcome.describe(outcome.registers["rcx"])


@pytest.mark.parametrize(
    "source",
    [
        "pushfq\npopfq\nmov ecx, 1000\nl: dec ecx\njnz l\nmov eax, 7\nret",
        "mov rax, rsp\npush 0x2b\npush rax\npush 0x202\npush 0x33\nlea rcx, [rip+x]\npush rcx\niretq\n"
        "x: mov ecx, 1000\nl: dec ecx\njnz l\nret",
        "pushfq\npopfq\nmov ecx, 100\nmov rdi, rsp\nsub rdi, 256\nrep stosb\npushfq\npop rax\nret",
        "mov eax, 0x2b\nmov ss, eax\nint3\nret",
        "mov eax, 0x2b\nmov ss, eax\n.byte 0xf1\nret",
        "mov eax, 0x2b\nmov ss, eax\npushfq\npop rax\nret",
        "push 0x2b\nmov ss, [rsp]\nint3\nret",
        "mov ecx, 0x2b\nmov eax, 39\nmov ss, ecx\nsyscall\nret",
        "xor eax, eax\nmov ss, eax\nret",
        "std\npushfq\npopfq\npushfq\npop rax\ncld\nret",
    ],
)
def test_a_program_that_loads_flags_or_segments_ends_alike_when_it_is_traced(source: str, nothing_left: None) -> None:
    free = em.run(source)
    traced = em.run(source, trace=True, limits=em.Limits(trace_steps=100))
    assert traced.report() == free.report()
    assert dict(traced.registers) == dict(free.registers)


def test_an_exit_of_the_trap_flag_into_the_c_library_is_no_trap() -> None:
    source = (
        'extern puts\nmain: sub rsp, 8\npushfq\npopfq\nlea rdi, [rip+m]\ncall puts\nadd rsp, 8\nret\nm: .asciz "hi"'
    )
    outcome = em.run(source, trace=True)
    assert isinstance(outcome, em.Returned)
    assert outcome.stdout == b"hi\n"


def test_a_handler_that_reaps_every_child_takes_nothing_from_a_run(nothing_left: None) -> None:
    called = []

    def reap(number: int, frame: object) -> None:
        called.append(number)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    previous = signal.signal(signal.SIGCHLD, reap)
    try:
        for number in range(50):
            assert em.run("mov eax, edi\nret", {"rdi": number}).registers["rax"] == number
        assert signal.getsignal(signal.SIGCHLD) is reap
    finally:
        signal.signal(signal.SIGCHLD, previous)
    assert called


def test_children_that_nobody_waits_for_do_not_matter(nothing_left: None) -> None:
    previous = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert em.run("mov eax, 42\nret").registers["rax"] == 42
        assert isinstance(em.run("mov rax, [0]"), em.Faulted)
        assert isinstance(em.run("l: jmp l", timeout_s=0.05), em.TimedOut)
    finally:
        signal.signal(signal.SIGCHLD, previous)


def test_a_thread_that_waits_for_every_child_is_named_and_nothing_hangs(
    monkeypatch: pytest.MonkeyPatch, nothing_left: None
) -> None:
    """What a program's process reports is lost then; its own last clock ends it."""
    waitpid = os.waitpid
    stolen: list[int] = []

    def steal(process: int, options: int) -> None:
        while not stolen or os.WIFSTOPPED(stolen[-1]):
            stolen.append(waitpid(process, options)[1])

    def too_late(process: int, options: int) -> tuple[int, int]:
        if not stolen:
            # Another thread is first whenever there is something to know, as one in os.waitpid(-1, ...) may be.
            thief = threading.Thread(target=steal, args=(process, options))
            thief.start()
            thief.join()
        return waitpid(process, options)

    monkeypatch.setattr(os, "waitpid", too_late)
    with pytest.raises(em.WorkerLostError, match=re.escape("os.waitpid(-1, ...)")):
        em.run("ret", limits=em.Limits(wall_s=0.01, cpu_s=0.01))
    assert os.WTERMSIG(stolen[-1]) == signal.SIGKILL


def test_a_notebook_with_hard_limits_of_its_own_runs_programs_within_them() -> None:
    said = in_a_process("""
        import resource
        import execmem_kernel as em
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        print(em.run("mov eax, 42\\nret", limits=em.Limits(wall_s=1000, memory_size=8 << 30)).registers["rax"])
        print(len(em.run("nop\\nret", trace=True).trace))
        print(em.run("mov rax, [0]").line)
    """)
    assert said.split() == ["42", "2", "1"]


@pytest.mark.parametrize("arguments", [(), ("-I",)])
def test_an_interpreter_without_anything_runs_programs(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """No environment, no working directory, no standard streams but the one that tells."""
    said = in_a_process(
        """
        import os, resource, sys
        os.rmdir(os.getcwd())
        os.environ.clear()
        os.close(0)
        os.close(2)
        import execmem_kernel as em
        assert em.run("mov eax, 42\\nret").registers["rax"] == 42
        assert em.run("mov rax, [0]").signal == "SIGSEGV"
        assert em.run('extern puts\\nmain: lea rdi, [rip+m]\\njmp puts\\nm: .asciz "hi"').stdout == b"hi\\n"
        print("ran")
        """,
        *arguments,
        cwd=str((tmp_path / "gone").mkdir() or tmp_path / "gone"),
        env={"PYTHONPATH": ""},
    )
    assert said == "ran\n"


def test_a_timeout_made_of_an_alarm_leaves_nothing_wherever_it_strikes(nothing_left: None) -> None:
    """Not the stop button, but a handler that raises all the same: how many timeouts are made."""

    class TooLateError(Exception):
        pass

    def ring(number: int, frame: object) -> None:
        raise TooLateError

    program = em.assemble("mov ecx, 2000\nl: dec ecx\njnz l\nret")
    button = signal.getsignal(signal.SIGINT)
    previous = signal.signal(signal.SIGALRM, ring)
    struck = 0
    try:
        for microseconds in range(5, 1500, 5):
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, microseconds / 1e6)
                    em.run(program)
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except TooLateError:
                struck += 1
        assert signal.getsignal(signal.SIGALRM) is ring
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert struck > 10
    assert signal.getsignal(signal.SIGINT) is button
    assert not em.manager().audit().findings


def test_what_a_program_can_read_of_the_runner_is_the_same_in_every_process(nothing_left: None) -> None:
    source = "mov eax, 1\nmov edi, 1\nmov esi, 0x7fe00000\nmov edx, 4096\nsyscall\nret"
    script = f"import execmem_kernel as em\nprint(em.run({source!r}).stdout.hex())"
    assert em.run(source).stdout == bytes.fromhex(in_a_process(script))


def test_a_clock_shows_of_an_endless_output_only_what_every_run_prints(nothing_left: None) -> None:
    source = 'l: mov eax, 1\nmov edi, 1\nlea rsi, [rip+m]\nmov edx, 2\nsyscall\njmp l\nm: .ascii "a\\n"'
    reports = set()
    for seconds in (0.005, 0.01):
        outcome = em.run(source, limits=em.Limits(wall_s=seconds, output_size=1 << 30, system_calls=10**9))
        assert isinstance(outcome, em.TimedOut)
        assert outcome.at_a_chance_instant
        assert not outcome.stdout.replace(b"a\n", b"")
        # How far it got is chance, and on a busy machine not far: as if it had had more time.
        outcome = dataclasses.replace(outcome, stdout=outcome.stdout + b"a\n" * 1000)
        reports.add(outcome_report(outcome).text().replace(f"{seconds} s", "the time"))
    assert len(reports) == 1


def test_a_return_in_32_bit_mode_is_a_return_with_a_warning() -> None:
    source = (
        "push 0x23\nlea rax, [rip+x]\npush rax\nretfq\n"
        "x: mov eax, 77\n.byte 0xb9, 0, 0, 0, 0x71  # mov ecx, the return address\n.byte 0xff, 0xe1  # jmp ecx"
    )
    outcome = em.run(source)
    assert outcome.registers["rax"] == 77
    assert any("32-bit mode" in warning.message for warning in outcome.warnings)


def test_a_jump_into_memory_the_program_asked_for_is_not_said_to_be_unmapped() -> None:
    ask = "mov eax, 9\nxor edi, edi\nmov esi, 4096\nmov edx, 3\nmov r10d, 0x22\nmov r8, -1\nxor r9d, r9d\nsyscall\n"
    outcome = em.run(ask + "mov byte ptr [rax], 0xc3\njmp rax")
    assert isinstance(outcome, em.Faulted)
    assert outcome.line == 10
    assert "which is not executable" in outcome.headline


ASKS = "mov eax, 9\nxor edi, edi\nmov esi, 8192\nmov edx, 3\nmov r10d, 0x22\nmov r8, -1\nxor r9d, r9d\nsyscall\n"
GATHER = "vpcmpeqd ymm2, ymm2, ymm2\nvmovd xmm1, edx\nvpslldq xmm1, xmm1, 8\n"
SORTS = (
    "extern qsort\nmain: sub rsp, 8\nlea rdi, [rip+a]\nmov esi, 4\nmov edx, 4\n{}\ncall qsort\nadd rsp, 8\nret\n"
    "section .data\na: dd 4, 3, 2, 1"
)


@pytest.mark.parametrize(
    ("source", "headline"),
    [
        (
            ASKS + "mov byte ptr [rax-1], 1\nret",
            "line 9: writes 1 byte through [rax - 1], 1 byte before the start of what mmap gave on line 8",
        ),
        (
            ASKS + "mov byte ptr [rax+8192], 1\nret",
            (
                "line 9: writes 1 byte through [rax + 0x2000], just past the end of the 8,192 bytes that mmap gave "
                "on line 8"
            ),
        ),
        (
            ASKS + "mov rdi, rax\nmov eax, 11\nsyscall\nmov rbx, [rdi+8]",
            "line 12: reads 8 bytes through [rdi + 8], in memory that munmap gave back on line 11",
        ),
        (
            ASKS + "mov rbx, [rax + 0x123456]",
            "line 9: reads 8 bytes at 0x7e00a0123456 through [rax + 0x123456], where nothing is mapped: "
            "rax was set on line 8",
        ),
        (
            "mov eax, 0x1000\nwrgsbase rax\nmov rbx, gs:[8]",
            "line 3: reads 8 bytes through gs:, which means nothing here: its base is 0x1000",
        ),
        (
            "mov edx, 7\nmov eax, 8\n" + GATHER + "vpgatherdd ymm0, [rax+ymm1*4], ymm2\nret",
            (
                "line 6: reads 4 bytes at address 0x8 through [rax + ymm1*4]: rax is 8, set on line 2; item 0 of "
                "ymm1 is 0"
            ),
        ),
        (
            "mov edx, 0x7654321\n" + GATHER + "vpgatherdd ymm0, [rsp+ymm1*4], ymm2\nret",
            (
                "line 5: reads 4 bytes at 0x7ff0ed94fc7c through [rsp + ymm1*4], where nothing is mapped: nothing has "
                "set rsp; item 2 of ymm1 is 124076833"
            ),
        ),
        (
            "l: enter 65535, 0\njmp l",
            (
                "line 1: stack overflow: the stack's 8 MiB are full; something is pushed again and again and never "
                "popped"
            ),
        ),
        (
            "enter 65535, 31\nleave\nret",
            "line 1: reads 8 bytes, but the address is 0 - 8: rbp is 0, which nothing has set",
        ),
        (
            "sub rsp, 4096\nxsave [rsp+1]\nret",
            "line 2: `xsave` needs a multiple of 64 for an address, and [rsp + 1] is 57 more",
        ),
        (
            "mov eax, 0x7fe00078\njmp rax",
            "line 2: jumped out of the program, into what started its process",
        ),
        (
            "mov rax, 0xffffffffff600800\ncall rax",
            "line 2: called the old vsyscall page for getcpu, which is closed",
        ),
        (
            "mov edi, 1000\nmov esi, 11\nmov eax, 62\nsyscall",
            (
                "line 4: the system call kill(1000, 11) is refused: a program in a cell sends no signals, neither to "
                "others nor to itself"
            ),
        ),
        (
            "xor edi, edi\nmov eax, 226\nsyscall",
            (
                "line 3: the system call timer_delete(...) is refused: a program in a cell has no clock that rings; "
                "it may read one with clock_gettime"
            ),
        ),
        (
            SORTS.format("mov ecx, 0x1234"),
            "line 7: qsort calls back 0x1234, as rcx told it, and no code is there",
        ),
        (
            SORTS.format("lea rcx, [rip+a]"),
            "line 7: qsort calls back data, as rcx told it, and no code is there",
        ),
        (
            "extern malloc\nmain: sub rsp, 8\nxor eax, eax\nwrfsbase rax\nmov edi, 8\ncall malloc",
            "line 6: calls malloc after fs's base was changed, and the C library keeps its own data there",
        ),
    ],
)
def test_a_sentence_says_what_was_done(source: str, headline: str, nothing_left: None) -> None:
    assert [em.run(source).headline for _ in range(2)] == [headline, headline]


def test_the_kernel_takes_32_bits_for_a_system_calls_number() -> None:
    outcome = em.run("mov rax, 0x100000027\nsyscall\nret")
    assert outcome.registers["rax"] == 1000
    assert [call.name for call in outcome.system_calls] == ["getpid"]


def test_the_calls_that_the_kernel_keeps_from_every_filter_do_nothing(nothing_left: None) -> None:
    """uretprobe and uprobe, since Linux 6.11 and 6.18: older kernels, or their filters, do not know them."""
    ended = em.run("mov eax, 335\nsyscall\nret")
    assert isinstance(ended, em.Faulted)
    assert ended.line == 2
    assert "uretprobe() is refused" in ended.headline
    went_on = em.run("mov eax, 336\nsyscall\nret")
    refused = isinstance(went_on, em.Faulted) and "uprobe() is refused" in went_on.headline
    assert refused or went_on.registers["rax"] == 2**64 - 6  # ENXIO


def test_what_a_return_leaves_behind_is_said_with_numbers_that_mean_something() -> None:
    gone = em.run("mov eax, 42\nxor esp, esp\nmov ecx, 0x71000000\njmp rcx")
    assert "rsp is 0, which is not where the caller left it" in [warning.message for warning in gone.warnings]
    waits = em.run("fldcw [rip+c]\nfld1\nfldz\nfdivp\nret\nc: .word 0x340")
    assert "x87-exception" in {warning.code for warning in waits.warnings}
