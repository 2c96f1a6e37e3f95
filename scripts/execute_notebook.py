"""Run a notebook without a browser and print, cell by cell, what was typed and what came out.

    python scripts/execute_notebook.py notebooks/01-first-light.ipynb

Exit status 1 if a cell failed that was not meant to.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def plain(output: nbformat.NotebookNode) -> str:
    """An output as a terminal can show it."""
    if output.output_type == "stream":
        return str(output.text)
    if output.output_type == "error":
        return f"{output.ename}: {output.evalue}"
    return str(output.data.get("text/plain", ""))


def main(path: Path) -> int:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=120, store_widget_state=False, resources={"metadata": {"path": str(path.parent)}}
    )
    failure = None
    try:
        client.execute()
    except CellExecutionError as error:
        failure = error
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            print(f"\n{cell.source}\n")
        elif cell.cell_type == "code":
            print("\n".join(f"  > {line}" for line in cell.source.splitlines()))
            for output in cell.get("outputs", ()):
                print(plain(output).rstrip())
    if failure is not None:
        print(f"\nA cell failed: {failure.ename}: {failure.evalue}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: execute_notebook.py NOTEBOOK")
    sys.exit(main(Path(sys.argv[1])))
