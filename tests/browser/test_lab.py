"""The first notebook in a real JupyterLab: no red cell, a crash that is explained, a stop button that stops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import kernel
from tests.browser.lab import ROOT, Lab, chromium, lab

NOTEBOOK = ROOT / "notebooks" / "01-first-light.ipynb"
CRASH = "%%asm\nxor eax,eax\nmov rax,[rax]"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One server and one browser for all tests here: each takes seconds to start."""
    with lab(tmp_path_factory.mktemp("lab")) as started:
        yield started


@pytest.fixture
def open_lab(started: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The first notebook under a new name, so with a kernel that no other test has used."""
    started.page_errors.clear()
    started.open(NOTEBOOK, f"{request.node.name}.ipynb")
    yield started
    assert started.page_errors == []
    started.close()


def red_cells(opened: Lab) -> list[str]:
    """The sources of all cells that ended in an error."""
    return list(
        opened.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells
                .map(cell => cell.toJSON())
                .filter(cell => (cell.outputs || []).some(output => output.output_type === 'error'))
                .map(cell => String(cell.source))"""
        )
    )


def test_the_first_notebook_runs_green_and_a_crash_leaves_the_kernel_alive(open_lab: Lab) -> None:
    assert open_lab.run_all()
    assert red_cells(open_lab) == []
    assert "%%asm" in open_lab.page.locator(".jp-Notebook").inner_text()
    before = open_lab.kernel_pid()

    assert not open_lab.run(CRASH)
    report, error = open_lab.outputs()
    shown = report["data"]["text/plain"]  # type: ignore[index]
    assert shown.startswith("SIGSEGV: line 2: ")
    assert "--> 2 | mov rax,[rax]" in shown
    assert error["ename"] == "SegmentationFault"
    assert len(error["traceback"]) == 1  # type: ignore[arg-type]
    assert open_lab.kernel_pid() == before


def test_the_report_is_a_page_that_people_can_read(open_lab: Lab) -> None:
    open_lab.run("%load_ext execmem_kernel")
    open_lab.run(CRASH)
    output = open_lab.page.locator(".jp-CodeCell").last.locator(".jp-OutputArea-output").first
    assert output.locator("b", has_text="SIGSEGV").is_visible()
    assert "stopped here" in output.inner_text()
    listing = output.locator("details", has=open_lab.page.get_by_text("listing", exact=True))
    assert not listing.locator("table").is_visible()
    listing.locator("summary").click()
    assert listing.locator("table").is_visible()
    assert listing.locator("th").all_inner_texts()[:5] == ["line", "offset", "bytes", "instruction", "source"]


def test_what_was_stored_is_shown_before_anybody_trusts_the_notebook(open_lab: Lab) -> None:
    """JupyterLab takes styles, pictures and scripts out of such a notebook: the report has none to lose."""
    first = open_lab.page.locator(".jp-CodeCell", has_text="mov eax, 42").first
    assert "rax = 0x2a = 42" in first.locator(".jp-OutputArea-output").inner_text()
    assert first.locator("table").first.is_visible()
    assert first.locator("summary").is_visible()


def running_guest(notebook: int) -> bool:
    """Whether a child of the notebook's process that is not Python is using the processor."""
    for child in kernel.children(notebook):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            ticks = kernel.processor_ticks(child)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"python" not in command and ticks >= 5:
            return True
    return False


def test_the_stop_button_ends_an_endless_loop_and_the_next_cell_runs(open_lab: Lab) -> None:
    assert open_lab.run("%load_ext execmem_kernel")
    notebook = open_lab.kernel_pid()
    open_lab.append("%%asm --timeout 600\nagain: jmp again")
    open_lab.start_command("notebook:run-cell")
    while not running_guest(notebook):
        open_lab.page.wait_for_timeout(50)

    open_lab.page.locator('[data-command="notebook:interrupt-kernel"]').first.click()
    open_lab.page.wait_for_function(
        """() => {
            const cell = window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells.at(-1).toJSON();
            return cell.outputs.length > 0;
        }"""
    )
    (error,) = open_lab.outputs()
    assert error["ename"] == "KeyboardInterrupt"
    assert len(error["traceback"]) == 1  # type: ignore[arg-type]
    assert not running_guest(notebook)
    assert open_lab.run("%%asm\nmov eax, 42\nret")
    assert open_lab.kernel_pid() == notebook


def test_the_memory_map_follows_what_other_cells_do(open_lab: Lab) -> None:
    page = open_lab.page
    assert open_lab.run("%load_ext execmem_kernel\nimport execmem_kernel as em\nem.memory_map()")
    shown = page.locator(".jp-CodeCell").last.locator(".execmem-map")
    shown.get_by_text("No region is live.").wait_for()
    assert open_lab.run("kept = em.manager().allocate(b'\\xc3', name='kept')\nem.manager().allocate_unmanaged(1)")
    shown = page.locator(".execmem-map")
    shown.locator("td.execmem-state", has_text="leaked: no owner").wait_for()
    row = shown.locator("tr.execmem-is-live")
    assert row.locator("th").inner_text() == "kept"
    assert "4,096 bytes that nobody owns" in shown.locator(".execmem-totals").inner_text()

    row.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.innerText.includes('leaked')")

    assert open_lab.run("kept.close()")
    shown.locator("tr.execmem-is-released", has_text="kept").wait_for()
    assert open_lab.run("%unload_ext execmem_kernel")
    shown.wait_for(state="detached")


def test_the_stepper_walks_forwards_and_backwards(open_lab: Lab) -> None:
    page = open_lab.page
    assert open_lab.run(
        "%load_ext execmem_kernel\nimport execmem_kernel as em\n"
        "em.stepper(em.run('mov eax, 1\\nadd eax, 41\\npush rax\\npop rcx\\nret', trace=True))"
    )
    shown = page.locator(".jp-CodeCell").last.locator(".execmem-stepper")
    said = shown.locator(".execmem-said")
    said.get_by_text("Nothing has run yet. Next: line 1: mov eax, 1.").wait_for()
    shown.get_by_role("button", name="One step on").click()
    said.get_by_text("Done: line 1: mov eax, 1. Next: line 2:").wait_for()
    shown.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    assert shown.locator("tr", has=page.locator("th", has_text="rax")).inner_text().split("\t")[1:] == [
        "0x2a (42)",
        "changed, was 1",
    ]
    page.keyboard.press("ArrowRight")
    assert shown.locator("tr", has_text="<-- rsp").inner_text().split("\t") == ["stack-0x8", "0x2a (42)", "<-- rsp"]
    shown.get_by_text("step 3", exact=True).wait_for()
    page.keyboard.press("End")
    said.get_by_text("That was the last step.").wait_for()
    shown.get_by_role("button", name="To the start").click()
    said.get_by_text("Nothing has run yet.").wait_for()


def test_a_missing_browser_is_said_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(pytest.fail.Exception, match="no Chromium here: install it"):
        chromium()
