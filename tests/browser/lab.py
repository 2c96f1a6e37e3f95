"""A JupyterLab, or a Notebook 7, of its own, driven in headless Chromium.

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
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.running import HANGS_S

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
c.JupyterNotebookApp.expose_app_in_browser = True
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


Application = Literal["lab", "notebook"]


class Lab:
    """One open notebook in JupyterLab."""

    def __init__(self, page: Page, url: str, folder: Path) -> None:
        self.page = page
        self.url = url
        self.folder = folder
        self.page_errors: list[str] = []
        self.requests: set[str] = set()
        """Where the page has asked for anything: scheme and host."""
        page.on("pageerror", lambda error: self.page_errors.append(str(error)))
        page.on("request", lambda request: self.requests.add("{0.scheme}://{0.hostname}".format(urlsplit(request.url))))

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


class Notebook(Lab):
    """The same in Notebook 7, where each notebook is a page of its own."""

    def start(self) -> None:
        self.page.goto(f"{self.url}/tree?token={TOKEN}")
        self.page.wait_for_function("() => window.jupyterapp")
        self.page.evaluate("() => window.jupyterapp.restored")

    def open(self, notebook: Path, name: str) -> None:
        shutil.copy(notebook, self.folder / name)
        self.page.goto(f"{self.url}/notebooks/{name}?token={TOKEN}")
        self.page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.context")
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        self.page.evaluate(READY)

    def close(self) -> None:
        self.command("notebook:shutdown-kernel")
        self.page.goto("about:blank")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def server(folder: Path, application: Application = "lab") -> Iterator[str]:
    """JupyterLab or Notebook on `folder/work`, its URL; ended with everything it started."""
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
        "JUPYTER_PATH": str(shared_data(folder / "share")),
        "PYTHONPATH": str(ROOT),
    }
    name = {"lab": "LabApp", "notebook": "JupyterNotebookApp"}[application]
    command = [
        sys.executable, "-m", "jupyter", application, f"--config={config / 'jupyter_config.py'}",
        f"--ServerApp.port={port}", f"--ServerApp.root_dir={work}",
        f"--{name}.workspaces_dir={folder / 'workspaces'}", f"--{name}.user_settings_dir={folder / 'settings'}",
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
        process.wait(HANGS_S)


def shared_data(folder: Path) -> Path:
    """The checkout's own share/jupyter, laid out as the wheel has it: what is installed may be older."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        places = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    for source, target in places.items():
        path = folder / Path(target).relative_to("share/jupyter")
        path.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, path, dirs_exist_ok=True)
        else:
            shutil.copy(ROOT / source, path)
    return folder


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + HANGS_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"JupyterLab ended at once:\n{log.read_text()}"
        try:
            with urllib.request.urlopen(f"{url}/api/status?token={TOKEN}", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not answer within {HANGS_S} s:\n{log.read_text()}")


@contextlib.contextmanager
def lab(folder: Path, *, theme: str = "JupyterLab Light", application: Application = "lab") -> Iterator[Lab]:
    """A running JupyterLab, or Notebook 7, with an empty page, in the theme asked for."""
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": theme}))
    path = chromium()
    with server(folder, application) as url, sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=path, headless=True, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        page = browser.new_context(reduced_motion="reduce", viewport={"width": 1300, "height": 1000}).new_page()
        page.set_default_timeout(HANGS_S * 1000)
        try:
            opened = {"lab": Lab, "notebook": Notebook}[application](page, url, folder / "work")
            opened.start()
            yield opened
        finally:
            browser.close()
