"""What Binder builds from `binder/`: the Dockerfile is rendered here, without docker, and its last step is run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def rendered(tmp_path: Path) -> str:
    """The Dockerfile that repo2docker makes of this repository's configuration."""
    repository = tmp_path / "repository"
    (repository / "binder").mkdir(parents=True)
    for name in ("requirements.txt", "runtime.txt", "postBuild"):
        (repository / "binder" / name).write_bytes((ROOT / "binder" / name).read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(repository)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout + done.stderr


def test_binder_installs_this_package_with_the_python_named_here(tmp_path: Path) -> None:
    text = rendered(tmp_path)
    # The package is a local path, so it must be installed after the repository has been copied.
    install = text.index('pip install --no-cache-dir -r "binder/requirements.txt"')
    assert text.index("COPY --chown=0:0 src/ ${REPO_DIR}/") < install
    assert install < text.index("RUN ./binder/postBuild")
    assert "3.12" in text
    assert "RuntimeWarning" not in text


def test_the_requirements_name_the_package_and_nothing_that_it_brings_anyway() -> None:
    lines = (ROOT / "binder" / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["."]


def test_the_last_step_of_the_build_works_here() -> None:
    script = ROOT / "binder" / "postBuild"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [str(script)], cwd=ROOT, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "assembles" in done.stdout
