"""The notebooks do what their stored outputs say, and hold nothing that belongs to one machine or one run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def nbval(path: Path) -> subprocess.CompletedProcess[str]:
    """Run a notebook and compare every output, strictly."""
    command = [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", str(path)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def execute(path: Path) -> None:
    """Run a notebook and store what comes out, without what belongs to this run."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=120,
        store_widget_state=False,
        coalesce_streams=True,
        resources={"metadata": {"path": path.parent}},
    ).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, path)


@each
def test_running_it_again_gives_what_is_stored(path: Path, bless: bool) -> None:
    if bless:
        execute(path)
    done = nbval(path)
    assert done.returncode == 0, done.stdout


def test_a_stored_output_that_is_wrong_is_found(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"][:2]
    output = notebook.cells[1].outputs[0].data
    output["text/plain"] = output["text/plain"].replace("= 42", "= 43")
    nbformat.write(notebook, tmp_path / "wrong.ipynb")
    done = nbval(tmp_path / "wrong.ipynb")
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout


@each
def test_every_cell_has_been_run_and_only_cells_that_say_so_failed(path: Path) -> None:
    for cell in code_cells(path):
        assert cell.execution_count is not None, cell.source
        failed = any(output.output_type == "error" for output in cell.outputs)
        assert failed == ("raises-exception" in cell.metadata.get("tags", [])), cell.source
        assert not any(output.get("name") == "stderr" for output in cell.outputs), cell.source


@each
def test_nothing_of_one_machine_or_one_run_is_stored(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert "widgets" not in notebook.metadata
    for cell in notebook.cells:
        assert "execution" not in cell.metadata
        for output in cell.get("outputs", []):
            texts = [output.get("text", ""), output.get("evalue", ""), *output.get("traceback", [])]
            texts += [text for kind, text in output.get("data", {}).items() if kind.startswith("text/")]
            for text in texts:
                assert not re.search(r"/(home|root|tmp|work|usr)/", text), text
                assert not re.search(r" at 0x[0-9a-f]+>", text), text


@each
def test_every_picture_and_every_widget_has_words_beside_it(path: Path) -> None:
    for cell in code_cells(path):
        for output in cell.outputs:
            kinds = output.get("data", {}).keys()
            if kinds & {"image/png", "application/vnd.jupyter.widget-view+json"}:
                assert len(output.data["text/plain"].split()) > 5
