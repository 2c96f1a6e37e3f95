"""A JupyterLab of its own, driven in headless Chromium.

Nothing of the user's configuration is read, nothing is fetched from the network, and the server ends with the test.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent.parent
TOKEN = "t"

CONFIG = """
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.port_retries = 0
c.ServerApp.disable_check_xsrf = True
c.IdentityProvider.token = "t"
c.LabApp.expose_app_in_browser = True
c.LanguageServerManager.autodetect = False
"""

# The notebook's own kernel, once it can really be asked: the status in the toolbar turns to idle too early.
READY = """async () => {
    const panel = window.jupyterapp.shell.currentWidget;
    await panel.context.ready;
    await panel.sessionContext.ready;
    await panel.sessionContext.session.kernel.info;
}"""


def chromium() -> str:
    """The browser's path; a test that needs one fails in plain words where there is none."""
    for name in ("chromium", "google-chrome", "chromium-browser"):
        found = shutil.which(name)
        if found:
            return found
    pytest.fail("no Chromium here: install it (apt-get install chromium), or choose -m 'not browser'", pytrace=False)


class Lab:
    """One open notebook in JupyterLab."""

    def __init__(self, page: Page, url: str, folder: Path) -> None:
        self.page = page
        self.url = url
        self.folder = folder
        self.page_errors: list[str] = []
        page.on("pageerror", lambda error: self.page_errors.append(str(error)))

    def start(self) -> None:
        """Load the application, which takes most of the time."""
        self.page.goto(f"{self.url}/lab?token={TOKEN}&reset")
        self.page.wait_for_function("() => window.jupyterapp")
        self.page.evaluate("() => window.jupyterapp.restored")

    def open(self, notebook: Path, name: str) -> None:
        """Open a copy of a notebook under a name of its own, with a kernel of its own."""
        shutil.copy(notebook, self.folder / name)
        self.page.evaluate("path => { window.jupyterapp.commands.execute('docmanager:open', {path}); }", name)
        self.page.wait_for_function("path => window.jupyterapp.shell.currentWidget?.context?.path === path", arg=name)
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        self.page.evaluate(READY)

    def close(self) -> None:
        """End the notebook's kernel and take the notebook off the page."""
        self.command("notebook:shutdown-kernel")
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.dispose()")

    def command(self, name: str) -> object:
        return self.page.evaluate("name => window.jupyterapp.commands.execute(name)", name)

    def start_command(self, name: str) -> None:
        """Begin a command without waiting for its end."""
        self.page.evaluate("name => { window.jupyterapp.commands.execute(name); }", name)

    def run_all(self) -> bool:
        """Run every cell; false if one failed."""
        return bool(self.command("notebook:run-all-cells"))

    def append(self, source: str) -> int:
        """Put a code cell at the end and select it; its index."""
        return int(
            self.page.evaluate(
                """source => {
                    const panel = window.jupyterapp.shell.currentWidget;
                    const model = panel.content.model.sharedModel;
                    model.insertCell(model.cells.length, {cell_type: 'code', source});
                    panel.content.activeCellIndex = model.cells.length - 1;
                    return model.cells.length - 1;
                }""",
                source,
            )
        )

    def run(self, source: str) -> bool:
        """Append a cell and run it; false if it failed."""
        self.append(source)
        return bool(self.command("notebook:run-cell"))

    def outputs(self, index: int = -1) -> list[dict[str, object]]:
        """A cell's outputs, as the notebook file would hold them."""
        return list(
            self.page.evaluate(
                """index => {
                    const cells = window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells;
                    return cells.at(index).toJSON().outputs || [];
                }""",
                index,
            )
        )

    def printed(self) -> str:
        """What the last cell wrote to stdout."""
        return "".join(str(out["text"]) for out in self.outputs() if out["output_type"] == "stream")

    def kernel_pid(self) -> int:
        assert self.run("import os; print(os.getpid())")
        return int(self.printed())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """JupyterLab on `folder/work`, its URL; ended with everything it started."""
    work = folder / "work"
    work.mkdir()
    config = folder / "config"
    (config / "labconfig").mkdir(parents=True)
    (config / "jupyter_config.py").write_text(CONFIG)
    announcements = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (config / "labconfig" / "page_config.json").write_text(json.dumps(announcements))
    port = _free_port()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON", "PYTEST"))
    } | {
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
        "PYTHONPATH": str(ROOT),
    }
    command = [
        sys.executable, "-m", "jupyter", "lab", f"--config={config / 'jupyter_config.py'}",
        f"--ServerApp.port={port}", f"--ServerApp.root_dir={work}",
        f"--LabApp.workspaces_dir={folder / 'workspaces'}", f"--LabApp.user_settings_dir={folder / 'settings'}",
    ]  # fmt: skip
    log = folder / "server.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(command, env=environment, stdout=sink, stderr=sink, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process, log)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, f"JupyterLab ended at once:\n{log.read_text()}"
        try:
            with urllib.request.urlopen(f"{url}/api/status?token={TOKEN}", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not answer within 60 s:\n{log.read_text()}")


@contextlib.contextmanager
def lab(folder: Path, *, theme: str = "JupyterLab Light") -> Iterator[Lab]:
    """A running JupyterLab with an empty page, in the theme asked for."""
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": theme}))
    path = chromium()
    with server(folder) as url, sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=path, headless=True, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        page = browser.new_context(reduced_motion="reduce", viewport={"width": 1300, "height": 1000}).new_page()
        page.set_default_timeout(60_000)
        try:
            opened = Lab(page, url, folder / "work")
            opened.start()
            yield opened
        finally:
            browser.close()
