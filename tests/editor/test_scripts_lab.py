"""What scripts/lab starts: JupyterLab on the checkout, the first notebook open, no news over it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

PYTHON = """#!/bin/sh
case "$1 $2" in
    "--version "*) echo Python 3.11.0 ;;
    "-m jupyter") printf '%s\\n' "$@" "config: $JUPYTER_CONFIG_PATH" "none: ${JUPYTER_NO_CONFIG-unset}" ;;
esac
"""


def started(tmp_path: Path, **environment: str) -> list[str]:
    """The arguments and the environment that JupyterLab would get."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "python").write_text(PYTHON)
    (binaries / "python").chmod(0o755)
    command = [str(ROOT / "scripts" / "lab"), "--port=1234"]
    settings = os.environ | {"EXECMEM_VENV": str(tmp_path)} | environment
    return subprocess.run(command, env=settings, check=True, capture_output=True, text=True).stdout.splitlines()


def test_the_root_is_the_checkout_and_the_first_notebook_is_open(tmp_path: Path) -> None:
    lines = started(tmp_path)
    assert f"--ServerApp.root_dir={ROOT}" in lines
    notebook = next(line.partition("/lab/tree/")[2] for line in lines if line.startswith("--LabApp.default_url="))
    assert (ROOT / notebook).name == "01-first-light.ipynb"
    assert (ROOT / notebook).is_file()
    assert "--port=1234" in lines


def test_jupyterlab_reads_that_it_need_not_ask_about_news(tmp_path: Path) -> None:
    lines = started(tmp_path, JUPYTER_NO_CONFIG="0", JUPYTER_CONFIG_PATH="/elsewhere")
    paths = next(line.removeprefix("config: ") for line in lines if line.startswith("config: ")).split(":")
    assert paths[1:] == ["/elsewhere"]
    page = json.loads((Path(paths[0]) / "labconfig" / "page_config.json").read_text())
    assert page["disabledExtensions"] == {"@jupyterlab/apputils-extension:announcements": True}
    assert "none: unset" in lines, "JupyterLab reads no page_config.json where this is set, even to 0"
