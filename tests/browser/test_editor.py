"""The editor of %%asm cells in JupyterLab and Notebook 7: colours, columns, marks, explanations, places to begin."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from execmem_kernel.editor.snippets import SNIPPETS
from tests.browser.lab import READY, ROOT, Application, Lab, Notebook, lab
from tests.running import HANGS_S

LOAD = "%load_ext execmem_kernel"
LOOP = "%%asm\nagain:\n        dec  ecx\n        jnz  again\n        ret"
WRONG = "%%asm\nmvo eax, 42\nret"

REST_MS = 300
"""How long the editor waits for another key before it asks the kernel: src/kernel/watch.ts."""

FOREIGN = ("reading 'schema'",)
"""Page errors that Notebook 7 has without the extension."""


@pytest.fixture(scope="module", params=["lab", "notebook"])
def started(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One server and one browser for all tests of an application: each takes seconds to start."""
    application: Application = request.param
    with lab(tmp_path_factory.mktemp(application), application=application) as started:
        # JupyterLab drops completions that take longer than a second, which on a busy machine the first ones do.
        started.page.evaluate(
            """settings => window.jupyterapp.serviceManager.settings.save(
                '@jupyterlab/completer-extension:manager', JSON.stringify(settings))""",
            {"providerTimeout": HANGS_S * 1000},
        )
        started.start()
        yield started


@pytest.fixture
def page_stays_well(started: Lab) -> Iterator[None]:
    started.page_errors.clear()
    yield
    assert [error for error in started.page_errors if not any(known in error for known in FOREIGN)] == []
    assert started.requests <= {"http://127.0.0.1", "ws://127.0.0.1", "data://None", "blob://None"}


@pytest.fixture
def opened(
    started: Lab, page_stays_well: None, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[..., Lab]]:
    """Opens a notebook with these cells and a kernel of its own."""

    def open_(*cells: str) -> Lab:
        file = tmp_path / "made.ipynb"
        file.write_text(json.dumps(notebook(*cells)))
        started.open(file, f"{request.node.originalname}.ipynb")
        return started

    yield open_
    started.close()


def notebook(*cells: str) -> dict[str, object]:
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": [
            {"cell_type": "code", "id": f"c{index}", "source": source, "metadata": {}, "outputs": [],
             "execution_count": None}
            for index, source in enumerate(cells)
        ],
    }  # fmt: skip


# ---- What a person does ------------------------------------------------------------------------------------------


def focus(opened: Lab, index: int, line: int, column: int = -1) -> None:
    """Put the cursor into a cell: line and column from 0, column -1 is the line's end."""
    opened.page.evaluate(
        """([index, line, column]) => {
            const notebook = window.jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = index;
            notebook.mode = 'edit';
            const editor = notebook.activeCell.editor;
            editor.focus();
            const end = editor.getLine(line).length;
            editor.setCursorPosition({line, column: column < 0 ? end : column});
        }""",
        [index, line, column],
    )


def source(opened: Lab, index: int) -> str:
    return str(
        opened.page.evaluate(
            "i => window.jupyterapp.shell.currentWidget.content.widgets[i].model.sharedModel.getSource()", index
        )
    )


def cursor(opened: Lab) -> list[int]:
    return list(
        opened.page.evaluate(
            """() => {
                const {editor} = window.jupyterapp.shell.currentWidget.content.activeCell;
                const {line, column} = editor.getCursorPosition();
                return [line, column];
            }"""
        )
    )


def wait_for_language(opened: Lab, index: int, name: str) -> None:
    """Until a cell's editor has a language: JupyterLab loads Python's mode when it is first needed."""
    opened.page.locator(".jp-CodeCell").nth(index).locator(f'.cm-content[data-language="{name}"]').wait_for()


def run_cell(opened: Lab, index: int) -> bool:
    opened.page.evaluate("i => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = i; }", index)
    return bool(opened.command("notebook:run-cell"))


def marks(opened: Lab, index: int = 1) -> list[str]:
    return opened.page.locator(".jp-CodeCell").nth(index).locator(".cm-lintRange").all_inner_texts()


def wait_for_mark(opened: Lab, text: str) -> None:
    opened.page.locator(".cm-lintRange-error", has_text=text).first.wait_for()


def wait_for_no_mark(opened: Lab) -> None:
    opened.page.wait_for_function("() => document.querySelector('.cm-lintRange') === null")


def let_timers_pass(opened: Lab) -> None:
    """Until every timer of the editor that was set before has fired: timers fire in their order."""
    opened.page.evaluate("time => new Promise(done => setTimeout(done, time))", REST_MS)


# ---- Language ------------------------------------------------------------------------------------------------------


def test_a_cell_becomes_assembly_and_python_again_as_its_first_line_says(opened: Callable[..., Lab]) -> None:
    lab = opened("x = 1", LOOP)
    keys = lab.page.keyboard
    wait_for_language(lab, 0, "python")
    wait_for_language(lab, 1, "execmem-asm")
    focus(lab, 0, 0, 0)
    keys.type("%%asm")
    keys.press("Enter")
    wait_for_language(lab, 0, "execmem-asm")
    assert cursor(lab) == [1, 0]
    keys.press("Control+z")
    wait_for_language(lab, 0, "python")
    assert source(lab, 0) == "x = 1"
    keys.press("Control+Shift+z")
    wait_for_language(lab, 0, "execmem-asm")
    assert source(lab, 0) == "%%asm\nx = 1"

    # Somebody else takes the magic away: this editor follows, and its cursor stays at its text.
    focus(lab, 1, 2, 8)
    lab.page.evaluate(
        """() => {
            const model = window.jupyterapp.shell.currentWidget.content.widgets[1].model.sharedModel;
            model.updateSource(0, 6, '');
        }"""
    )
    wait_for_language(lab, 1, "python")
    assert cursor(lab) == [1, 8]


def test_words_have_the_colours_of_what_they_are(opened: Callable[..., Lab]) -> None:
    lab = opened(
        "%%asm\nagain: and eax, dword ptr [and] ; if\n  mvo 0x2a, 2ah", "%%asm --syntax att\nmovl $1, %eax; ret # x"
    )
    found = lab.page.evaluate(
        """() => [...document.querySelectorAll('.jp-CodeCell')].map(cell =>
            [...cell.querySelectorAll('.cm-line span[class]')].map(span => span.textContent))"""
    )
    assert found == [
        ["%%asm", "again", "and", "eax", "dword", "ptr", "; if", "0x2a", "2ah"],
        ["%%asm", "--syntax", "movl", "1", "eax", "ret", "# x"],
    ]


def test_lines_begin_where_they_belong(opened: Callable[..., Lab]) -> None:
    lab = opened("%%asm\nmov eax, [rdi", "%%asm\nstart:", LOOP, "%%asm --syntax att\nret")
    keys = lab.page.keyboard
    focus(lab, 0, 1)
    keys.press("Enter")
    keys.type("ret")
    assert source(lab, 0).splitlines()[2] == "ret"
    keys.type(" []")
    keys.press("ArrowLeft")
    keys.press("Enter")
    assert source(lab, 0).splitlines()[2:] == ["ret [", "]"]

    focus(lab, 1, 1)
    keys.press("Enter")
    keys.type("nop")
    keys.press("Enter")
    keys.type("next:")
    keys.press("Enter")
    keys.type("ret")
    assert source(lab, 1).splitlines()[2:] == ["        nop", "next:", "        ret"]

    focus(lab, 2, 4)
    keys.press("Control+/")
    assert source(lab, 2).splitlines()[4] == "        ; ret"
    keys.press("Control+/")
    assert source(lab, 2) == LOOP
    focus(lab, 3, 1)
    keys.press("Control+/")
    assert source(lab, 3).splitlines()[1] == "# ret"


def test_lines_are_counted_as_reports_count_them(opened: Callable[..., Lab]) -> None:
    lab = opened("x = 1\ny = 2", "# NBVAL_IGNORE_OUTPUT\n%%asm\nnop\nret", "%%asm\nret")
    lab.command("notebook:toggle-all-cell-line-numbers")
    numbers = """() => [...document.querySelectorAll('.jp-CodeCell')].map(cell =>
        [...cell.querySelectorAll('.cm-lineNumbers .cm-gutterElement')]
            .filter(line => line.style.visibility !== 'hidden').map(line => line.textContent))"""
    lab.page.wait_for_function("() => document.querySelectorAll('.cm-lineNumbers').length === 3")
    assert lab.page.evaluate(numbers) == [["1", "2"], ["", "0", "1", "2"], ["0", "1"]]
    focus(lab, 2, 0, 0)
    lab.page.keyboard.press("Delete")
    assert lab.page.evaluate(numbers)[2] == ["1", "2"]
    lab.command("notebook:toggle-all-cell-line-numbers")


def test_text_is_copied_and_found_as_it_was_typed(opened: Callable[..., Lab]) -> None:
    lab = opened(LOOP, "x = 'again'")
    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    keys = lab.page.keyboard
    focus(lab, 0, 0)
    keys.press("Control+a")
    keys.press("Control+c")
    assert lab.page.evaluate("() => navigator.clipboard.readText()") == LOOP
    lab.command("documentsearch:start")
    lab.page.locator(".jp-DocumentSearch-input").first.fill("again")
    lab.page.locator(".jp-DocumentSearch-index-counter", has_text="/3").wait_for()


# ---- What the kernel says ----------------------------------------------------------------------------------------


def test_before_the_extension_is_loaded_a_hint_says_how(opened: Callable[..., Lab]) -> None:
    lab = opened(LOAD, WRONG)
    hint = lab.page.locator(".execmem-load-hint")
    hint.wait_for()
    assert (
        hint.inner_text()
        == "This kernel does not know %%asm yet: run %load_ext execmem_kernel in a cell before this one."
    )
    assert lab.page.locator(".jp-CodeCell").nth(1).locator(".execmem-load-hint").count() == 1
    assert marks(lab) == []
    assert run_cell(lab, 0)
    wait_for_mark(lab, "mvo")
    assert hint.count() == 0


def test_what_is_wrong_is_marked_and_mended_while_nothing_runs(opened: Callable[..., Lab]) -> None:
    lab = opened(LOAD, "%%asm\nret", "21 * 2")
    keys = lab.page.keyboard
    assert run_cell(lab, 0)
    focus(lab, 1, 0)
    keys.press("Enter")
    keys.type("mvo eax, 42")
    wait_for_mark(lab, "mvo")
    lab.page.locator(".cm-lintRange-error").first.hover()
    tooltip = lab.page.locator(".cm-tooltip-lint")
    tooltip.wait_for()
    assert tooltip.locator(".execmem-message").inner_text() == "error ASM100: There is no instruction named `mvo`."
    assert tooltip.locator(".execmem-remark").all_inner_texts() == ["hint: did you mean `mov`?"]
    tooltip.get_by_role("button", name="write `mov`").click()
    assert source(lab, 1) == "%%asm\nmov eax, 42\nret"
    wait_for_no_mark(lab)

    keys.press("Control+z")
    wait_for_mark(lab, "mvo")
    focus(lab, 1, 1)
    keys.press("Control+.")
    assert source(lab, 1) == "%%asm\nmov eax, 42\nret"
    wait_for_no_mark(lab)

    assert run_cell(lab, 2)
    assert lab.outputs()[0]["execution_count"] == 2
    assert lab.run("print(str(get_ipython().history_manager.input_hist_raw[1:-1])[1:-1])")
    assert lab.printed() == f"{LOAD!r}, '21 * 2'\n"


def test_the_editor_is_silent_while_a_cell_runs_and_after_the_kernel_is_gone(opened: Callable[..., Lab]) -> None:
    wait = "while not pathlib.Path('go').exists(): time.sleep(0.02)"
    lab = opened(LOAD, "%%asm\nret", f"import pathlib, time\nprint('begun', flush=True)\n{wait}")
    keys = lab.page.keyboard
    lab.page.evaluate(COUNT_QUESTIONS)
    assert run_cell(lab, 0)
    lab.page.evaluate("i => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = i; }", 2)
    lab.start_command("notebook:run-cell")
    lab.page.locator(".jp-OutputArea-output", has_text="begun").wait_for()
    before = lab.page.evaluate("() => window.questions")
    focus(lab, 1, 0)
    keys.press("Enter")
    keys.type("mvo eax, 42")
    let_timers_pass(lab)
    assert lab.page.evaluate("() => window.questions") == before
    assert marks(lab) == []
    (lab.folder / "go").touch()
    wait_for_mark(lab, "mvo")
    (lab.folder / "go").unlink()

    assert lab.page.evaluate("() => window.questions") > before
    lab.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    lab.page.locator(".execmem-load-hint").wait_for()
    wait_for_no_mark(lab)
    assert run_cell(lab, 0)
    wait_for_mark(lab, "mvo")

    lab.command("notebook:shutdown-kernel")
    before = lab.page.evaluate("() => window.questions")
    focus(lab, 1, 1)
    keys.type("0")
    let_timers_pass(lab)
    assert lab.page.evaluate("() => window.questions") == before


COUNT_QUESTIONS = """() => {
    window.questions = 0;
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    kernel.anyMessage.connect((_, {msg, direction}) => {
        window.questions += direction === 'send' && msg.header.msg_type === 'inspect_request' ? 1 : 0;
    });
}"""


def test_tab_completes_and_shift_tab_and_the_pointer_explain(opened: Callable[..., Lab]) -> None:
    lab = opened(LOAD, "%%asm\nm", "%%asm\nbswap rax\nret")
    keys = lab.page.keyboard
    assert run_cell(lab, 0)
    focus(lab, 1, 1)
    keys.type("o")
    lab.page.wait_for_function(COMPLETER_LISTENS)
    keys.press("Tab")
    lab.page.locator(".jp-Completer-item", has_text="mov").first.wait_for()
    keys.press("Enter")
    lab.page.locator(".jp-Completer-item").first.wait_for(state="hidden")
    assert source(lab, 1) == "%%asm\nmov"
    focus(lab, 2, 1, 2)
    keys.press("Shift+Tab")
    tooltip = lab.page.locator(".jp-Tooltip")
    tooltip.get_by_text("bswap").first.wait_for()
    keys.press("Escape")
    lab.page.locator(".jp-CodeCell").nth(2).get_by_text("bswap").hover()
    lab.page.locator(".execmem-hover").get_by_text("bswap").first.wait_for()


# The completer is put to an editor a little later, and takes notice of a text when the cursor moves.
COMPLETER_LISTENS = """() => {
    const {editor} = window.jupyterapp.shell.currentWidget.content.activeCell;
    const at = editor.getCursorPosition();
    editor.setCursorPosition({line: at.line, column: at.column - 1});
    editor.setCursorPosition(at);
    return editor.host.classList.contains('jp-mod-completer-enabled');
}"""


def test_an_empty_cell_offers_programs_to_begin_with(opened: Callable[..., Lab]) -> None:
    lab = opened(LOAD, "%%asm\n")
    assert run_cell(lab, 0)
    offers = lab.page.locator(".execmem-snippets button")
    offers.first.wait_for()
    assert offers.all_inner_texts() == [snippet.title for snippet in SNIPPETS]
    focus(lab, 1, 1)
    for snippet in (*SNIPPETS, SNIPPETS[0]):
        lab.page.keyboard.press("Tab")
        assert source(lab, 1) == f"%%asm\n{snippet.intel}"
    offers.nth(2).click()
    assert source(lab, 1) == f"%%asm\n{SNIPPETS[2].intel}"
    lab.page.keyboard.type("; done")
    assert offers.count() == 0
    assert run_cell(lab, 1)
    assert marks(lab) == []


def test_the_editor_wears_the_dark_theme(opened: Callable[..., Lab]) -> None:
    lab = opened(LOAD, WRONG)
    assert run_cell(lab, 0)
    wait_for_mark(lab, "mvo")
    change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
    lab.page.evaluate(change, "JupyterLab Dark")
    lab.page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    lab.page.locator(".cm-lintRange-error").first.hover()
    lab.page.locator(".cm-tooltip-lint").wait_for()
    back, front = lab.page.evaluate(
        """() => {
            const style = getComputedStyle(document.querySelector('.cm-tooltip-lint .execmem-message'));
            const light = colour => colour.match(/[0-9]+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0);
            const tooltip = getComputedStyle(document.querySelector('.cm-tooltip:has(.cm-diagnostic)'));
            return [light(tooltip.backgroundColor), light(style.color)];
        }"""
    )
    assert back < 200 < 600 < front
    lab.page.evaluate(change, "JupyterLab Light")
    lab.page.wait_for_function("() => document.body.dataset.jpThemeLight === 'true'")


# ---- Places to begin -------------------------------------------------------------------------------------------------


@pytest.fixture
def begun(started: Lab, page_stays_well: None) -> Lab:
    """The application's first page, on which no notebook is open."""
    started.start()
    return started


def test_the_palette_leads_to_assembly(opened: Callable[..., Lab]) -> None:
    lab = opened("x = 1")
    page = lab.page
    lab.start_command("apputils:activate-command-palette")
    palette = page.locator(".lm-CommandPalette")
    palette.wait_for()
    for label in ("New assembly notebook", "First light", "Reference"):
        assert palette.locator(".lm-CommandPalette-itemLabel").get_by_text(label, exact=True).count() == 1
    page.keyboard.press("Escape")
    lab.start_command("execmem:reference")
    reference = page.locator(".execmem-reference")
    reference.get_by_role("heading", name="The assembler").wait_for()
    assert reference.get_by_role("heading", level=1).count() == 2


def test_the_first_notebook_is_opened_as_a_copy_and_found_again(begun: Lab) -> None:
    lab = begun
    page = open_by(lab, "execmem:first-light", "first-light.ipynb")
    shown = page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells.map(cell => cell.getSource())"
    )
    original = json.loads((ROOT / "notebooks" / "01-first-light.ipynb").read_text())
    assert shown == ["".join(cell["source"]) for cell in original["cells"]]
    leave(lab, page)
    changed = json.loads((lab.folder / "first-light.ipynb").read_text())
    changed["cells"] = changed["cells"][:1]
    (lab.folder / "first-light.ipynb").write_text(json.dumps(changed))
    again = open_by(lab, "execmem:first-light", "first-light.ipynb")
    assert again.locator(".jp-Notebook .jp-Cell").count() == 1
    leave(lab, again)


def test_a_new_notebook_begins_with_an_assembly_cell_that_runs(begun: Lab) -> None:
    lab = begun
    page = open_by(lab, "execmem:new-notebook", "assembly.ipynb")
    assert page.locator(".jp-CodeCell .cm-content").get_attribute("data-language") == "execmem-asm"
    page.locator(".execmem-snippets button").first.click()
    assert page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    assert "rax = 0x2a" in page.locator(".jp-OutputArea-output").first.inner_text()
    leave(lab, page)


def test_the_launcher_has_a_section_of_its_own(begun: Lab) -> None:
    if isinstance(begun, Notebook):
        pytest.skip("Notebook 7 has no launcher")
    begun.command("launcher:create")
    section = begun.page.locator(".jp-Launcher-section:visible", has=begun.page.locator("h2", has_text="Assembly"))
    section.wait_for()
    assert section.locator(".jp-LauncherCard-label").all_inner_texts() == [
        "New assembly notebook",
        "First light",
        "Reference",
    ]


def open_by(lab: Lab, command: str, path: str) -> Page:
    """The page on which a command opens a notebook: Notebook 7 takes another."""
    if isinstance(lab, Notebook):
        with lab.page.context.expect_page() as other:
            lab.start_command(command)
        page = other.value
    else:
        lab.start_command(command)
        page = lab.page
    page.wait_for_function("path => window.jupyterapp?.shell?.currentWidget?.context?.path === path", arg=path)
    page.evaluate(READY)
    return page


def leave(lab: Lab, page: Page) -> None:
    """End the kernel of a notebook that a command has opened, and close it."""
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:shutdown-kernel')")
    if page is lab.page:
        page.evaluate("() => window.jupyterapp.shell.currentWidget.dispose()")
    else:
        page.close()
