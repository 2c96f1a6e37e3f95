"""`%%asm` and `%execmem` in a real IPython shell: what they show, what they raise, and what they leave behind."""

from __future__ import annotations

import atexit
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from execmem_kernel import errors
from execmem_kernel.assembly.diagnostics.codes import documented_codes
from execmem_kernel.magics import commands, extension, options, session

ADD = "lea rax, [rdi + rsi]\nret"
NULL_READ = "xor eax, eax\nmov rax, [rax]\nret"


class Notebook:
    """A shell with the extension loaded, and what its cells showed."""

    def __init__(self, shell: InteractiveShell, published: CapturingDisplayPublisher) -> None:
        self.shell = shell
        self.published = published

    def cell(self, source: str) -> str:
        """Run a cell that must not fail; the text it displayed."""
        self.published.outputs.clear()
        result = self.shell.run_cell(source, store_history=True)
        result.raise_error()
        return self.text

    def fails(self, source: str, error: type[BaseException]) -> str:
        """Run a cell that must fail with exactly this error; the error's message."""
        self.published.outputs.clear()
        result = self.shell.run_cell(source, store_history=True)
        raised = result.error_before_exec or result.error_in_exec
        assert type(raised) is error, raised
        return str(raised)

    @property
    def text(self) -> str:
        return "\n".join(output["data"]["text/plain"] for output in self.published.outputs)

    @property
    def html(self) -> str:
        return "\n".join(output["data"]["text/html"] for output in self.published.outputs)

    def __getitem__(self, name: str) -> Any:
        return self.shell.user_ns[name]

    def __setitem__(self, name: str, value: object) -> None:
        self.shell.user_ns[name] = value


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A shell without the extension."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=config)
    yield shell
    extension.unload(shell)
    InteractiveShell.clear_instance()
    atexit.unregister(shell.atexit_operations)  # it collects garbage, once for every shell there ever was


@pytest.fixture
def notebook(bare: InteractiveShell) -> Notebook:
    published = CapturingDisplayPublisher()
    bare.display_pub = published
    notebook = Notebook(bare, published)
    notebook.cell("%load_ext execmem_kernel")
    return notebook


# ---- What a cell shows ---------------------------------------------------------------------------------------------


def test_a_cell_shows_its_return_value_in_hex_and_decimal(notebook: Notebook) -> None:
    assert notebook.cell("%%asm\nmov eax, 42\nret").startswith("returned: rax = 0x2a = 42\n")
    assert len(notebook.published.outputs) == 1


@pytest.mark.parametrize(
    ("rdi", "value"), [("40", 42), ("0x28", 42), ("0b101000", 42), ("28h", 42), ("-2", 0), ("1_000", 1002), ("n", 9)]
)
def test_registers_take_numbers_in_every_spelling_and_variables(notebook: Notebook, rdi: str, value: int) -> None:
    notebook.shell.user_ns["n"] = 7
    assert f"rax = {value:#x} = {value}\n" in notebook.cell(f"%%asm rdi={rdi} rsi=2\n{ADD}")


def test_text_in_a_variable_becomes_memory_with_a_zero_byte_behind_it(notebook: Notebook) -> None:
    notebook.shell.user_ns["word"] = "hi"
    notebook.cell("%%asm rdi=word --name outcome\nmovzx eax, byte ptr [rdi+1]\nadd al, [rdi+2]\nret")
    assert notebook["outcome"].value == ord("i")
    assert notebook["outcome"].buffers["word"] == b"hi\0"


def test_a_buffer_that_the_program_changes_is_shown_and_the_variable_is_not_touched(notebook: Notebook) -> None:
    notebook.shell.user_ns["word"] = bytearray(b"hello")
    text = notebook.cell("%%asm rdi=word --name outcome\nmov byte ptr [rdi], 0x4a\nret")
    assert "buffer word changed:" in text
    assert "Jello" in text
    assert notebook["word"] == b"hello"
    assert notebook["outcome"].buffers["word"] == b"Jello"


def test_an_array_is_memory_too(notebook: Notebook) -> None:
    notebook.cell("import numpy\nnumbers = numpy.arange(5)")
    notebook.cell("%%asm rdi=numbers --name outcome\nmov rax, [rdi+32]\nret")
    assert notebook["outcome"].value == 4


def test_a_float_goes_into_a_vector_register(notebook: Notebook) -> None:
    notebook.shell.user_ns["x"] = 1.5
    text = notebook.cell("%%asm xmm0=x --show xmm0\naddsd xmm0, xmm0\nret")
    assert "(as doubles, lowest first: 3, 0)" in text


def test_what_the_program_prints_is_shown(notebook: Notebook) -> None:
    text = notebook.cell(
        '%%asm\nmov eax, 1\nmov edi, 1\nlea rsi, [rip+text]\nmov edx, 3\nsyscall\nret\ntext: .ascii "hi\\n"'
    )
    assert "stdout:\n  hi\n" in text


def test_what_the_program_reads_comes_from_the_option(notebook: Notebook) -> None:
    notebook.cell(
        r'%%asm --stdin "4\n" --name outcome'
        "\nsub rsp, 8\nxor eax, eax\nxor edi, edi\nmov rsi, rsp\nmov edx, 8\n"
        "syscall\npop rcx\nret"
    )
    assert notebook["outcome"].registers["rax"] == 2
    assert notebook["outcome"].registers["cl"] == ord("4")


@pytest.mark.parametrize(
    ("typed", "data"),
    [(r"a\n\t\0\\", b"a\n\t\0\\"), (r"\xff\x00", b"\xff\x00"), ("grün", "grün".encode()), (r"\q", b"q"), ("", b"")],
)
def test_escapes_in_stdin_stand_for_bytes(typed: str, data: bytes) -> None:
    assert session._escapes(typed) == data


def test_att_syntax_is_a_choice(notebook: Notebook) -> None:
    assert "rax = 0x2a = 42" in notebook.cell("%%asm --syntax att\nmovl $42, %eax\nret")


def test_the_program_can_start_at_a_label(notebook: Notebook) -> None:
    source = "mov eax, 1\nret\nsecond: mov eax, 2\nret"
    assert "rax = 0x2 = 2" in notebook.cell(f"%%asm --entry second\n{source}")
    assert "did you mean second?" in notebook.fails(f"%%asm --entry secnd\n{source}", errors.MagicError)


def test_braces_and_dollars_on_the_first_line_are_not_expanded(notebook: Notebook) -> None:
    notebook.shell.user_ns["n"] = 7
    assert "'rdi={n}'" in notebook.fails("%%asm rdi={n}\nret", errors.MagicError).replace("rdi={n}:", "'rdi={n}'")


def test_the_same_cell_shows_the_same_thing_each_time(notebook: Notebook) -> None:
    source = "%%asm\nlea rax, [rip]\nmov rcx, rsp\npush rax\npop rdx\nret"
    first = notebook.cell(source), notebook.html
    assert (notebook.cell(source), notebook.html) == first
    assert "rax = code+0x7" in first[0]


def test_a_report_names_no_variable_that_there_is_not(notebook: Notebook) -> None:
    text = notebook.cell("%%asm --trace\n" + "nop\n" * 500 + "ret")
    assert "em.stepper(r)" in text
    assert "r.program.listing, where the cell begins with `%%asm --name r`" in text
    assert "outcome." not in text


def test_a_recorded_run_says_how_to_walk_through_it(notebook: Notebook) -> None:
    text = notebook.cell("%%asm --trace --name outcome\nmov eax, 1\nret")
    typed = "import execmem_kernel as em; em.stepper(outcome)"
    assert f"trace: 2 steps recorded; `{typed}` walks through them" in text
    notebook.cell(typed)  # it works as it stands
    assert len(notebook["outcome"].trace) == 2


def test_a_trace_with_gaps_says_how_many_steps_were_taken_and_how_many_are_held(notebook: Notebook) -> None:
    text = notebook.cell("%%asm --trace --limit trace=20 rdi=5000\nl: dec rdi\njnz l\nret")
    assert re.search(r"trace: ([\d,]+) steps taken, ([\d,]+) of them recorded; ", text)


def test_an_outcome_at_the_end_of_a_cell_shows_its_report(notebook: Notebook) -> None:
    shown = notebook.cell("%%asm --name outcome\nmov eax, 42\nret")
    bundle, _ = notebook.shell.display_formatter.format(notebook["outcome"])  # type: ignore[union-attr]
    assert bundle["text/plain"] == shown
    assert bundle["text/html"].startswith("<div")


# ---- What a cell raises --------------------------------------------------------------------------------------------


def test_a_fault_is_shown_once_and_then_raised_in_one_line(
    notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    message = notebook.fails(f"%%asm\n{NULL_READ}", errors.SegmentationFault)
    assert message.startswith("line 2: ")
    assert notebook.text.startswith(f"SIGSEGV: {message}\n")
    assert len(notebook.published.outputs) == 1
    out, err = capsys.readouterr()
    assert out.strip() == f"SegmentationFault: {message}"
    assert err == ""


def test_a_fault_that_was_expected_leaves_the_cell_green(notebook: Notebook) -> None:
    shown = notebook.cell(f"%%asm --expect SIGSEGV\n{NULL_READ}")
    assert shown.startswith("SIGSEGV: line 2: ")
    assert "\nas expected: `--expect SIGSEGV` asked for this end" in shown
    assert "SIGSEGV" in notebook.cell(f"%%asm --expect sigsegv\n{NULL_READ}")


def test_an_expectation_that_fails_says_what_happened_instead(notebook: Notebook) -> None:
    assert "expected SIGSEGV, but it returned" in notebook.fails(
        f"%%asm --expect SIGSEGV\n{ADD}", errors.ExpectationFailed
    )
    assert notebook.fails(f"%%asm --expect timeout\n{NULL_READ}", errors.ExpectationFailed).startswith(
        "expected timeout, but line 2: "
    )
    notebook.cell(f"%%asm --expect return\n{ADD}")


def test_a_variable_that_no_program_can_be_given_is_refused_in_one_line(notebook: Notebook) -> None:
    notebook["code"] = b"1"
    message = notebook.fails("%%asm rdi=code\nret", errors.MagicError)
    assert message == "a buffer cannot be called 'code': reports use that word for the program's own code"


def test_keep_going_shows_the_fault_and_raises_nothing(notebook: Notebook) -> None:
    assert "SIGSEGV" in notebook.cell(f"%%asm --keep-going\n{NULL_READ}")


def test_a_fault_is_kept_under_its_name_too(notebook: Notebook) -> None:
    notebook.fails(f"%%asm --name crash\n{NULL_READ}", errors.SegmentationFault)
    assert notebook["crash"].signal == "SIGSEGV"


def test_an_endless_loop_ends_at_its_time(notebook: Notebook) -> None:
    notebook.fails("%%asm --timeout 0.1\nagain: jmp again", errors.TimeLimitExceeded)
    notebook.cell("%%asm --timeout 0.1 --expect timeout\nagain: jmp again")


def test_exit_is_the_end_of_a_whole_program_and_no_way_out_of_a_function(notebook: Notebook) -> None:
    exit_with = "mov eax, 60\nmov edi, {}\nsyscall"
    function = exit_with.format(0)
    assert "`ret`" in notebook.fails(f"%%asm\n{function}", errors.ProgramExited) + notebook.text
    assert "exit status 0" in notebook.cell(f"%%asm --expect exit\n{function}")
    assert "exit status 0" in notebook.cell(f"%%asm --keep-going\n{function}")
    assert "exit status 0" in notebook.cell(f"%%asm\n_start:\n{function}")
    assert "exit status 0" in notebook.cell("%%asm\nextern exit\nxor edi, edi\nsub rsp, 8\ncall exit")


def test_poison_shows_what_relies_on_a_register_that_nobody_set(notebook: Notebook) -> None:
    def left(options: str) -> int:
        notebook.cell(f"%%asm {options} --name outcome\nmov rax, rbx\nret")
        return int(notebook["outcome"].registers["rax"])

    assert left("") == 0
    assert left("--poison --seed 7") == left("--poison --seed 7") not in (0, left("--poison --seed 8"))
    assert left("--poison") == left("--poison") != left("--poison --seed 5")
    assert left("--poison rbx=5") == 5
    assert "'x' is not a number" in notebook.fails("%%asm --seed x\nret", errors.MagicError)


def test_exit_with_another_status_than_0_fails_unless_it_is_expected(notebook: Notebook) -> None:
    exit_with = "_start: mov eax, 60\nmov edi, {}\nsyscall"
    notebook.cell(f"%%asm --expect exit\n{exit_with.format(3)}")
    notebook.fails(f"%%asm\n{exit_with.format(3)}", errors.ProgramExited)
    assert "exit status 0" in notebook.cell(f"%%asm\n{exit_with.format(0)}")


def test_every_error_of_the_source_is_shown_and_one_line_is_raised(
    notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook.fails("%%asm\nmvo eax, 1\nmov eax, ebz\nret", errors.AssemblyError)
    assert "line 1, column 1" in notebook.text
    assert "line 2, column 10" in notebook.text
    assert "^^^" in notebook.text
    assert "^^^" in notebook.html
    out, _ = capsys.readouterr()
    assert len(out.strip().splitlines()) == 1
    assert out.startswith("AssemblyError: line 1: ")
    assert "(and 1 more above)" in out


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%asm", "nothing to run"),
        ("%%asm\n", "nothing to run"),
        ("%%asm rdi=1\n\n   \n", "nothing to run"),
        ("%asm mov eax, 42", "two percent signs"),
        ("%%asm --bogus\nret", "--bogus"),
        ("%%asm --timeout soon\nret", "'soon' is not a number of seconds"),
        ("%%asm --timeout -1\nret", "--timeout"),
        ("%%asm --timeout nan\nret", "'nan' is not a number of seconds"),
        ("%%asm --expect SIGSEVG\nret", "SIGSEGV"),
        ("%%asm --name 2x\nret", "cannot be the name of a variable"),
        ("%%asm --show rbz\nret", "did you mean rb"),
        ("%%asm rdi\nret", "write it as rdi=40"),
        ("%%asm rdi=\nret", "write it as rdi=40"),
        ("%%asm rid=1\nret", "did you mean rdi?"),
        ("%%asm edi=1\nret", "set the whole of it, rdi"),
        ("%%asm rsp=1\nret", "a stack of its own"),
        ("%%asm rdi=1 rdi=2\nret", "given twice"),
        ("%%asm rdi=nobody\nret", "there is no variable 'nobody'"),
        ("%%asm rdi=1.5\nret", "floats go into xmm0"),
        ("%%asm rdi=1.5.2\nret", "neither a number nor the name of a variable"),
        ("%%asm rdi=0x1ffffffffffffffff\nret", "does not fit into 64 bits"),
        ("%%asm rdi=-9223372036854775809\nret", "does not fit into 64 bits"),
        ("x = [1]\n%asm", "two percent signs"),
        ('%%asm rdi="\nret', "cannot read its options"),
    ],
)
def test_a_wrong_option_is_an_error_of_ours_in_one_line(
    notebook: Notebook, capsys: pytest.CaptureFixture[str], cell: str, message: str
) -> None:
    """IPython's own UsageError would not reach a grader: it is only printed."""
    assert message in notebook.fails(cell, errors.MagicError)
    out, err = capsys.readouterr()
    assert len(out.strip().splitlines()) == 1
    assert err == ""


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[1]", "a list"),
        ("1.5", "floats go into xmm0"),
        ("None", "a NoneType"),
        ("__import__('numpy').array([None])", "a ndarray"),
    ],
)
def test_a_variable_that_no_register_can_hold_is_named(notebook: Notebook, value: str, message: str) -> None:
    notebook.cell(f"x = {value}")
    assert message in notebook.fails("%%asm rdi=x\nret", errors.MagicError)


# ---- Help ----------------------------------------------------------------------------------------------------------


def test_help_is_printed_and_nothing_runs(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    for cell in ("%%asm --help", "%%asm --help\nmov rax, [0]", "%asm --help"):
        assert notebook.cell(cell) == ""
        assert capsys.readouterr().out == options.help_text()


def test_the_question_mark_shows_the_same_help(notebook: Notebook) -> None:
    for name in ("asm", "execmem"):
        found = notebook.shell._ofind(f"%{name}")
        assert found.found
    assert notebook.shell.find_cell_magic("asm").__doc__ == options.help_text()  # type: ignore[no-untyped-call]
    assert notebook.shell.find_line_magic("execmem").__doc__ == commands.execmem_help()  # type: ignore[no-untyped-call]


def test_bench_times_a_cell_and_keeps_the_timing_under_a_name(notebook: Notebook) -> None:
    shown = notebook.cell("%%asm --bench --iterations 100 --name timing\nmov ecx, 100\nx: dec ecx\njnz x\nret")
    timing = notebook.shell.user_ns["timing"]
    assert timing.iterations == 100
    assert "a call" in shown
    assert "an iteration" in shown
    assert len(notebook.published.outputs) == 1


def test_a_function_that_the_c_library_does_not_have_is_shown_where_it_is_declared(notebook: Notebook) -> None:
    notebook.fails("%%asm\nextern prinf\ncall prinf\nret", errors.AssemblyError)
    assert "did you mean `printf`?" in notebook.text
    assert "1 | extern prinf" in notebook.text


def test_a_cell_that_calls_the_c_library_shows_what_it_printed(notebook: Notebook) -> None:
    shown = notebook.cell(
        "%%asm\nextern puts\nsub rsp, 8\nlea rdi, [rel text]\ncall puts\nadd rsp, 8\nret\ntext: db 'hello', 0"
    )
    assert "hello" in shown


@pytest.mark.parametrize(
    ("limit", "body", "said"),
    [
        ("steps=1000", "again: jmp again", "line 1: took more than 1,000 steps"),
        (
            "output=1K",
            "again: mov eax,1\nmov edi,1\nlea rsi,[rip+again]\nmov edx,100\nsyscall\njmp again",
            "line 5: wrote more than 1,024 bytes",
        ),
        ("calls=10,cpu=0.5", "again: mov eax,39\nsyscall\njmp again", "line 2: made more than 10 system calls"),
        ("memory=1M", "again: mov eax,9\nxor edi,edi\nmov esi,0x80000\nmov edx,3\nmov r10d,0x22\nmov r8,-1\n"
         "xor r9d,r9d\nsyscall\njmp again", "line 8: asked for more than 1,048,576 bytes of memory"),
    ],
)  # fmt: skip
def test_a_limit_can_be_set_on_the_option_line(notebook: Notebook, limit: str, body: str, said: str) -> None:
    assert said in notebook.fails(f"%%asm --limit {limit}\n{body}", errors.LimitExceeded)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--limit step=5", "'step' is not one of cpu, steps, output, memory, calls, stack, trace"),
        ("--limit steps=many", "steps takes a number, as in steps=64K, not 'many'"),
        ("--limit steps=1.5", "steps takes a number"),
        ("--limit cpu=0", "--limit: the limit cpu_s is 0"),
        ("--limit steps=5 --bench", "not with --bench"),
    ],
)
def test_a_limit_that_cannot_be_is_told_so(notebook: Notebook, line: str, said: str) -> None:
    assert said in notebook.fails(f"%%asm {line}\nret", errors.MagicError)


def test_a_float_can_be_written_on_the_option_line(notebook: Notebook) -> None:
    assert "(as doubles, lowest first: 3, 0)" in notebook.cell("%%asm xmm0=1.5 --show xmm0\naddsd xmm0, xmm0\nret")
    assert "(as doubles, lowest first: -250, 0)" in notebook.cell("%%asm xmm1=-2.5e2 --show xmm1\nret")


def test_iterations_are_for_bench_only(notebook: Notebook) -> None:
    assert "--bench" in notebook.fails("%%asm --iterations 100\nret", errors.MagicError)
    assert "at least 1" in notebook.fails("%%asm --bench --iterations 0\nret", errors.MagicError)


@pytest.mark.parametrize("line", [line for line, _ in options.EXAMPLES])
def test_every_example_in_the_help_is_understood(line: str) -> None:
    options.options(line)


# ---- %execmem ------------------------------------------------------------------------------------------------------


def test_what_a_program_did_to_its_own_data_is_shown_by_label(notebook: Notebook) -> None:
    source = """%%asm --name sorted
section .data
numbers: dd 3, 1
ratio:   dq 0.5
word:    db "hello", 0
         align 8
kept:    dq 7
section .bss
where:   resq 2
section .text
         mov  eax, [rel numbers]
         xchg eax, [rel numbers + 4]
         mov  [rel numbers], eax
         fld1
         fstp qword [rel ratio]
         mov  byte [rel word], "J"
         lea  rax, [rel word + 1]
         mov  [rel where + 8], rax
         ret"""
    shown = notebook.cell(source)
    table = [
        line.split() for line in shown.partition("memory changed:\n")[2].split("\nregisters changed")[0].split("\n")
    ]
    assert table == [
        ["where", "before", "after", "as", "text"],
        ["numbers", "3,", "1", "1,", "3"],
        ["ratio", "0.5", "1"],
        ["word", "68", "65", "6c", "6c", "6f", "00", "4a", "65", "6c", "6c", "6f", "00", "Jello."],
        ["where", "0,", "0", "0,", "data+0x11"],
    ]
    outcome = notebook["sorted"]
    assert outcome.read("numbers", 8) == bytes([1, 0, 0, 0, 3, 0, 0, 0])
    assert outcome.segments["data"][24:] == bytes([7, 0, 0, 0, 0, 0, 0, 0])
    with pytest.raises(ValueError, match="no label 'ratoi'"):
        outcome.read("ratoi", 8)
    with pytest.raises(ValueError, match="not all in the program's data"):
        outcome.read("kept", 9)


def test_a_whole_program_that_ends_with_another_status_is_told_what_that_says(notebook: Notebook) -> None:
    program = "mov eax, 60\nmov edi, 3\nsyscall"
    notebook.fails(f"%%asm\n_start: {program}", errors.ProgramExited)
    assert "status 0 says that all went well; if 3 is meant: `--expect exit`" in notebook.text
    notebook.fails(f"%%asm\n{program}", errors.ProgramExited)
    assert "a function in a cell ends with `ret`" in notebook.text


def test_a_pointer_into_the_arguments_is_called_so(notebook: Notebook) -> None:
    shown = notebook.cell("%%asm --args 'a b'\nmain: mov rdx, [rsi + 8]\nlea rcx, [rsi + 16]\nxor eax, eax\nret")
    assert "rdx  arguments" in shown
    assert "rcx  0 -> arguments+" in shown
    assert "stack+" not in shown


def test_data_that_a_program_leaves_alone_is_not_shown(notebook: Notebook) -> None:
    assert "memory changed" not in notebook.cell("%%asm\nmov eax, [rel x]\nret\nsection .data\nx: dd 5")


def test_execmem_explains_what_a_code_means_by_an_example(notebook: Notebook) -> None:
    shown = notebook.cell("%execmem explain asm107")
    assert shown.startswith("ASM107: The sizes of the operands disagree.")
    assert "for example" in shown
    assert "mov rax, ebx" in shown
    assert "^^^" in shown


@pytest.mark.parametrize("code", sorted(documented_codes()))
def test_every_code_can_be_looked_up_in_a_notebook(notebook: Notebook, code: str) -> None:
    shown = notebook.cell(f"%execmem explain {code}")
    assert shown.startswith(f"{code}: {documented_codes()[code][0]}")
    assert all(len(line) < 250 for line in shown.split("\n"))


def test_a_code_that_does_not_exist_is_told_with_those_that_do(notebook: Notebook) -> None:
    assert "codes go from ASM001 to ASM199" in notebook.fails("%execmem explain ASM999", errors.MagicError)


def test_execmem_explains_an_instruction(notebook: Notebook) -> None:
    assert "rax" in notebook.cell('%execmem explain "lea rax, [rdi+rsi*4]"')


def test_execmem_lists_regions_with_their_cell_and_cleans_up(notebook: Notebook) -> None:
    notebook.cell("import execmem_kernel as em")
    notebook.cell("memory = em.manager().allocate(b'\\xc3', name='answer')")
    text = notebook.cell("%execmem regions")
    assert "answer" in text
    assert "cell 3" in text
    notebook.cell("%execmem audit")
    notebook.cell("%execmem cleanup")
    assert notebook.cell("%execmem regions").startswith("executable memory: 0 live regions, 0 bytes\n")


@pytest.mark.parametrize(("line", "message"), [("audti", "did you mean audit?"), ("explain", "needs an instruction")])
def test_execmem_refuses_what_it_does_not_know(notebook: Notebook, line: str, message: str) -> None:
    assert message in notebook.fails(f"%execmem {line}", errors.MagicError)


def test_execmem_help_lists_every_subcommand(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    notebook.cell("%execmem help")
    out = capsys.readouterr().out
    assert all(f"%execmem {name}" in out for name in commands.COMMANDS)


# ---- Loading and unloading -----------------------------------------------------------------------------------------


def traces(shell: InteractiveShell) -> dict[str, object]:
    """Everything in a shell that an extension could leave something in."""
    assert shell.display_formatter is not None
    bundles = shell.display_formatter.mimebundle_formatter
    return {
        "magics": {kind: set(known) for kind, known in shell.magics_manager.magics.items()},
        "user magics": set(vars(shell.magics_manager.user_magics)),
        "hooks": {event: list(hooks) for event, hooks in shell.events.callbacks.items()},
        "transformers": list(shell.input_transformers_cleanup),
        "types": set(bundles.type_printers),
        "deferred types": set(bundles.deferred_printers),
        "matchers": list(shell.Completer.custom_matchers),
        "names": set(shell.user_ns),
    }


def test_unloading_takes_out_all_that_loading_put_in(bare: InteractiveShell) -> None:
    before = traces(bare)
    extension.load(bare)
    assert traces(bare) != before
    bare.run_cell("%%asm\nmov eax, 42\nret").raise_error()
    for name in ("_i", "_ii", "_iii"):
        bare.user_ns.pop(name, None)
    extension.unload(bare)
    assert traces(bare) == before
    extension.unload(bare)


def test_loading_prints_nothing_and_loading_again_changes_nothing(
    bare: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    bare.run_cell("%load_ext execmem_kernel").raise_error()
    assert capsys.readouterr().out == ""
    loaded = traces(bare)
    extension.load(bare)
    assert traces(bare) == loaded
    bare.run_cell("%reload_ext execmem_kernel").raise_error()
    assert "rax = 0x2a = 42" in run_text(bare, "%%asm\nmov eax, 42\nret")
    assert {key: len(value) for key, value in traces(bare).items()} == {  # type: ignore[arg-type]
        key: len(value)  # type: ignore[arg-type]
        for key, value in loaded.items()
    }


def run_text(shell: InteractiveShell, cell: str) -> str:
    shell.display_pub = published = CapturingDisplayPublisher()
    shell.run_cell(cell).raise_error()
    return "".join(output["data"]["text/plain"] for output in published.outputs)


def test_after_unloading_the_magic_is_unknown(bare: InteractiveShell) -> None:
    bare.run_cell("%load_ext execmem_kernel").raise_error()
    bare.run_cell("%unload_ext execmem_kernel").raise_error()
    with pytest.raises(UsageError, match="not found"):
        bare.run_cell_magic("asm", "", "ret")  # type: ignore[no-untyped-call]


def test_a_comment_above_the_magic_does_not_turn_it_off(notebook: Notebook) -> None:
    assert "rax = 0x2a = 42" in notebook.cell("# NBVAL_CHECK_OUTPUT\n\n%%asm rdi=40 rsi=2\nlea rax, [rdi+rsi]\nret")
    assert "line 1" in notebook.fails("# a comment\n%%asm\nud2", errors.IllegalInstruction)


def test_loading_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "shell.run_line_magic('load_ext', 'execmem_kernel')\n"
        "heavy = {'keystone', 'capstone', 'iced_x86', 'matplotlib', 'anywidget', 'ipywidgets', 'numpy', 'pycparser'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_whole_program_finds_its_arguments(notebook: Notebook) -> None:
    source = "extern puts\nmain: mov rdi, [rsi + 8]\nsub rsp, 8\ncall puts\nadd rsp, 8\nxor eax, eax\nret"
    assert "two words" in notebook.cell(f"""%%asm --args "'two words' b"\n{source}""")
    assert "is not closed" in notebook.fails(f"""%%asm --args "it's"\n{source}""", errors.MagicError)
    assert "a whole program" in notebook.fails("%%asm --args x\nret", errors.MagicError)
