"""The editor's features in a real IPython shell: what a terminal is offered, and what is left after unloading."""

from __future__ import annotations

import atexit
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from execmem_kernel.magics import extension
from execmem_kernel.magics.editor import DIAGNOSTICS_LEVEL


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A shell without the extension."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    config = Config()
    config.HistoryManager.enabled = False
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=config)
    yield shell
    extension.unload(shell)
    InteractiveShell.clear_instance()
    atexit.unregister(shell.atexit_operations)  # it collects garbage, once for every shell there ever was


def offered(shell: InteractiveShell, text: str, cursor: int | None = None) -> list[str]:
    """What a terminal shows when Tab is pressed."""
    with provisionalcompleter(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jedi's own
        return [item.text for item in shell.Completer.completions(text, len(text) if cursor is None else cursor)]


def test_a_cell_of_assembly_is_offered_our_words_and_no_others(shell: InteractiveShell) -> None:
    assert "print" in offered(shell, "%%asm\npri")
    extension.load(shell)
    assert offered(shell, "%%asm\npri") == []
    assert offered(shell, "%%asm\nmo")[0] == "mov"
    assert offered(shell, "%%asm\nmov rax, [rs")[0] == "rsi"


def test_python_is_offered_pythons_words(shell: InteractiveShell) -> None:
    extension.load(shell)
    shell.user_ns["monday"] = 1
    assert "monday" in offered(shell, "mon")
    assert "mov" not in offered(shell, "mo")
    assert "print" in offered(shell, "x = '%%asm'\npri")


def test_variables_of_the_notebook_stand_behind_a_register(shell: InteractiveShell) -> None:
    extension.load(shell)
    shell.user_ns["word"] = "hello"
    assert offered(shell, "%%asm rdi=wo") == ["word"]


def test_a_completion_has_its_kind_and_one_sentence(shell: InteractiveShell) -> None:
    extension.load(shell)
    with provisionalcompleter():
        first = next(iter(shell.Completer.completions("%%asm\nle", 8)))
    assert (first.start, first.end, first.text, first.type) == (6, 8, "lea", "instruction")
    assert "Puts the address" in first.signature


@pytest.mark.parametrize(("line", "first"), [
    ("%execmem ", "explain"), ("%execmem re", "regions"), ("x = 1\n%execmem au", "audit"),
    ("%execmem explain ASM10", "ASM100"),
    ("%execmem explain asm107", "ASM107"), ("%execmem explain mo", "mov"), ('%execmem explain "mov rax, r', "rdi"),
])  # fmt: skip
def test_subcommands_codes_and_instructions_stand_behind_execmem(
    shell: InteractiveShell, line: str, first: str
) -> None:
    extension.load(shell)
    assert offered(shell, line)[0] == first


def test_a_cell_can_be_typed_over_several_lines(shell: InteractiveShell) -> None:
    before = {text: shell.check_complete(text) for text in ("%%asm", "%%asm rdi=5", "x = 1", "for x in y:", "%%time")}
    extension.load(shell)
    for text, wanted in before.items():
        assert shell.check_complete(text) == wanted
    assert shell.check_complete("%%asm")[0] == "incomplete"
    assert shell.check_complete("%%asm\nmov eax, 1")[0] == "incomplete"
    assert shell.check_complete("%%asm\nmov eax, 1\nret\n\n")[0] == "complete"


def test_a_cell_without_a_body_still_gets_our_message(shell: InteractiveShell) -> None:
    extension.load(shell)
    result = shell.run_cell("%%asm")
    assert "there is nothing to run" in str(result.error_in_exec)


class Kernel:
    """What is asked of a kernel, with answers that tell whose they are."""

    def do_inspect(self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: Any = ()) -> dict[str, Any]:
        return {"status": "ok", "found": True, "data": {"text/plain": f"IPython {code[:cursor_pos]} {detail_level}"}}


@pytest.fixture
def kernel(shell: InteractiveShell) -> Kernel:
    kernel = Kernel()
    shell.kernel = kernel  # type: ignore[attr-defined]
    return kernel


def test_a_word_of_a_cell_is_explained_and_a_word_of_python_is_pythons(shell: InteractiveShell, kernel: Kernel) -> None:
    extension.load(shell)
    assert kernel.do_inspect("%%asm\nadd rax, rbx", 7)["data"]["text/plain"].startswith("add: Adds rbx to rax")
    assert "<table" in kernel.do_inspect("%%asm\nadd rax, rbx", 7)["data"]["text/html"]
    assert kernel.do_inspect("%%asm\n; add", 10) == {"status": "ok", "found": False, "data": {}, "metadata": {}}
    assert kernel.do_inspect("print", 3, 1)["data"]["text/plain"] == "IPython pri 1"
    assert kernel.do_inspect("%%asm", 5)["data"]["text/plain"] == "IPython %%asm 0"


def test_diagnostics_come_with_their_own_level_of_detail(shell: InteractiveShell, kernel: Kernel) -> None:
    extension.load(shell)
    data = kernel.do_inspect("%%asm --tarce\nmvo eax, 1\nret", 0, DIAGNOSTICS_LEVEL)["data"]
    rows = data["application/vnd.execmem.diagnostics+json"]["diagnostics"]
    assert [(row["line"], row["code"]) for row in rows] == [(0, ""), (1, "ASM100")]
    assert rows[0]["message"].startswith("%%asm does not know --tarce")


def test_unloading_puts_back_what_was_there(shell: InteractiveShell, kernel: Kernel) -> None:
    completions, inspect = shell.Completer.completions, kernel.do_inspect
    for _ in range(2):
        extension.load(shell)
        extension.load(shell)
        assert shell.Completer.completions != completions
        assert kernel.do_inspect != inspect
        extension.unload(shell)
        extension.unload(shell)
        assert shell.Completer.completions == completions
        assert kernel.do_inspect == inspect
        assert "completions" not in vars(shell.Completer)
    assert "print" in offered(shell, "%%asm\npri")


def test_what_others_have_wrapped_around_us_stays_and_we_pass_on(shell: InteractiveShell, kernel: Kernel) -> None:
    extension.load(shell)
    ours = kernel.do_inspect
    kernel.do_inspect = lambda *arguments: {"theirs": ours(*arguments)}  # type: ignore[method-assign]
    extension.unload(shell)
    assert kernel.do_inspect("%%asm\nadd rax, rbx", 7)["theirs"]["data"]["text/plain"].startswith("IPython")
