"""Pictures of the editor, to look at: both applications, both themes.

python -m tests.browser.pictures FOLDER
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.browser.lab import Application, Lab, lab
from tests.browser.test_editor import LOAD, focus, notebook, run_cell, wait_for_mark

PROGRAM = """\
%%asm --trace rdi=5
; the sum of 1 to rdi, and the next line if it is 0
section .data
text:   db "te;xt", 10, 0
big     dq 0ffh, 0b1010, 1.5
section .text
sum:
        xor  eax, eax       # from 0
again:  add  rax, rdi
        dec  rdi
        jnz  again          // until rdi is 0
        mvo  ecx, [rel big]
        vaddps zmm0{k1}{z}, zmm1, zmm2
        mov  eax, byte [text]
        ret /* done */"""
ATT = """\
%%asm --syntax att
        .globl main
main:   movq $5, %rax; ret   # two statements"""
PYTHON = "x = [i for i in range(3)]\nif x and True: print('python')"


def take(opened: Lab, folder: Path, name: str) -> None:
    page = opened.page
    source = folder / "source.ipynb"
    source.write_text(json.dumps(notebook(LOAD, PROGRAM, ATT, "%%asm\n", PYTHON)))
    opened.open(source, "picture.ipynb")
    source.unlink()
    opened.command("notebook:toggle-all-cell-line-numbers")
    page.locator(".execmem-load-hint").nth(2).wait_for()
    page.screenshot(path=folder / f"{name}-not-loaded.png")
    run_cell(opened, 0)
    wait_for_mark(opened, "mvo")
    page.locator(".execmem-snippets").wait_for()
    page.locator(".cm-lintRange-error").first.hover()
    page.locator(".cm-tooltip-lint").wait_for()
    page.screenshot(path=folder / f"{name}-error.png")
    page.locator(".jp-CodeCell").nth(1).get_by_text("vaddps").hover()
    page.locator(".execmem-hover").wait_for()
    page.screenshot(path=folder / f"{name}-hover.png")
    focus(opened, 3, 1)
    page.keyboard.press("Tab")
    page.locator(".jp-CodeCell").nth(3).get_by_text("40").wait_for()
    page.screenshot(path=folder / f"{name}-begin.png")
    opened.close()


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    applications: tuple[Application, ...] = ("lab", "notebook")
    for application in applications:
        with tempfile.TemporaryDirectory() as place, lab(Path(place), application=application) as opened:
            for theme in ("Light", "Dark"):
                change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
                opened.page.evaluate(change, f"JupyterLab {theme}")
                opened.page.wait_for_function(
                    "light => document.body.dataset.jpThemeLight === light", arg=str(theme == "Light").lower()
                )
                take(opened, folder, f"{application}-{theme.lower()}")
                opened.start()
            if application == "lab":
                opened.command("launcher:create")
                opened.page.locator(".jp-Launcher-section:visible").last.wait_for()
                opened.page.screenshot(path=folder / "lab-dark-launcher.png")


if __name__ == "__main__":
    main()
