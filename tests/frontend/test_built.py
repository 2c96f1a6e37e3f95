"""What is checked in was built from the sources beside it, and a wheel brings it and takes it away again."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from execmem_kernel import __version__
from labextension.tools import build
from tests.frontend.node import need_node

RUN_IT = "scripts/build-frontend makes them again"


def test_the_table_and_the_grammar_are_those_of_the_one_table() -> None:
    for path, text in build.generated().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is old: {RUN_IT}"


def test_the_bundle_was_built_from_these_sources_and_nobody_has_touched_it() -> None:
    assert json.loads(build.RECORD.read_text(encoding="utf-8")) == build.record(), RUN_IT


def test_the_bundle_comes_out_the_same_when_it_is_built_again(tmp_path: Path) -> None:
    need_node()
    if not (build.SOURCES / "node_modules").exists():
        pytest.skip("the builder's packages are not installed: `npm ci --ignore-scripts` in labextension/ (450 MB)")
    build.bundle(tmp_path / "built")
    again = build.digests(build.built_files(tmp_path / "built"), tmp_path / "built")
    assert again == build.digests(build.built_files(), build.BUILT)


def test_the_lockfiles_say_what_the_packages_are_and_not_where_they_come_from() -> None:
    for folder in (build.SOURCES, Path(__file__).parent):
        text = (folder / "package-lock.json").read_text(encoding="utf-8")
        lock = json.loads(text)
        assert "://" not in "".join(str(package.get("resolved", "")) for package in lock["packages"].values())
        for name, package in lock["packages"].items():
            assert name == "" or package.get("link") or package["integrity"].startswith("sha512-"), name


def test_versions_are_one() -> None:
    for path in (build.SOURCES / "package.json", build.VSCODE / "package.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["version"] == __version__


def test_the_extension_file_for_vs_code_is_whole_and_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one.vsix", "other.vsix"):
        build.write_vsix(tmp_path / name)
    assert (tmp_path / "one.vsix").read_bytes() == (tmp_path / "other.vsix").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.vsix") as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        package = json.loads(archive.read("extension/package.json"))
        manifest = archive.read("extension.vsixmanifest").decode()
        endings = {f".{name.rpartition('.')[2]}" for name in names if name != "[Content_Types].xml"}
        types = archive.read("[Content_Types].xml").decode()
    (grammar,) = package["contributes"]["grammars"]
    assert f"extension/{grammar['path'].removeprefix('./')}" in names
    assert json.loads(build.GRAMMAR.read_text())["scopeName"] == grammar["scopeName"]
    assert f'Id="{package["name"]}" Version="{package["version"]}"' in manifest
    assert all(f'Path="{path}"' not in manifest or path in names for path in names)
    assert all(f'Extension="{ending}"' in types for ending in endings)


def test_a_wheel_brings_all_of_it_and_uninstalling_leaves_nothing(tmp_path: Path) -> None:
    def pip(*arguments: str, python: str = sys.executable) -> None:
        command = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    # By way of the source distribution, on a machine without node.
    sources = tmp_path / "sources"
    made = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(sources)],
        cwd=build.ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    (archive,) = sources.iterdir()
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(archive))
    (wheel,) = tmp_path.glob("*.whl")
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    before = everything(environment)
    pip("--python", str(environment), "install", "--no-deps", "--no-compile", str(wheel))
    extension = environment / "share" / "jupyter" / "labextensions" / "execmem-kernel"
    for path in build.built_files():
        assert (extension / path.relative_to(build.BUILT)).read_bytes() == path.read_bytes()
    assert json.loads((extension / "install.json").read_text())["packageName"] == "execmem-kernel"
    for name in ("first-light.ipynb", "assembler.md", "running.md"):
        assert (extension / name).stat().st_size > 1000
    assert not list(environment.rglob("execmem_kernel/labextension"))
    pip("--python", str(environment), "uninstall", "--yes", "execmem-kernel")
    assert everything(environment) == before


def everything(folder: Path) -> set[str]:
    """Every file, and every folder of ours."""
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() or "execmem" in path.name
    }
