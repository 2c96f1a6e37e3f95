"""How long the editors' modes take for 10,000 lines: the CodeMirror mode and the TextMate grammar, under node.

    python benchmarks/editor.py

Each the best of several rounds over the programs of tests/assembly/programs, repeated up to that length. An editor
reads no more than what is on the screen at once, and what has changed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from labextension.tools.build import ROOT, install_packages

LINES = 10_000
PROGRAMS = ROOT / "tests" / "assembly" / "programs"
SCRIPTS = ROOT / "tests" / "frontend"


def main() -> None:
    install_packages(SCRIPTS)
    for folder, options in (("nasm", ""), ("gnu", ""), ("gcc_att", " --syntax att")):
        lines: list[str] = []
        while len(lines) < LINES:
            for path in sorted((PROGRAMS / folder).iterdir()):
                lines += path.read_text(encoding="utf-8").splitlines()
        text = "\n".join([f"%%asm{options}", *lines[:LINES]])
        done = subprocess.run(
            ["node", "timing.mjs"],
            cwd=SCRIPTS,
            input=text,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=True,
        )
        times = ", ".join(f"{what} {time:.0f} ms" for what, time in json.loads(done.stdout).items())
        print(f"{folder}, {LINES:,} lines: {times}")


if __name__ == "__main__":
    main()
