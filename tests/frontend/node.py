"""Node for the tests that need it: where it is, with the packages of this folder's lockfile."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from labextension.tools.build import install_packages

HERE = Path(__file__).parent


def need_node() -> None:
    """Leave a test out where there is no node; nobody needs it who only uses the package."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no node here: the editor's own modes are not run (install node 20 or newer and npm)")


def node(script: str, given: Any) -> Any:
    """What a script of this folder answers; both sides speak JSON.

    Raises:
        subprocess.CalledProcessError: The packages could not be installed, or the script failed.
    """
    need_node()
    install_packages(HERE)
    done = subprocess.run(
        ["node", script],
        cwd=HERE,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
