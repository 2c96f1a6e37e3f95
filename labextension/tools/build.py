"""Builds both editor extensions from their sources, and knows whether what is checked in was built from them.

The bundle is made by npm packages that the lockfile names; everything else here needs Python only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labextension.tools.grammar import grammar
from labextension.tools.patterns import token_patterns, words

ROOT = Path(__file__).parent.parent.parent
SOURCES = ROOT / "labextension"
BUILT = ROOT / "execmem_kernel" / "labextension"
RECORD = SOURCES / "built.json"
"""What the checked-in bundle was built from, and what came out."""

LANGUAGE = ROOT / "execmem_kernel" / "editor" / "language.json"
TABLE = SOURCES / "src" / "language" / "table.json"
VSCODE = ROOT / "vscode"
GRAMMAR = VSCODE / "syntaxes" / "asm.tmLanguage.json"
DECLARATIONS = (
    "nasm_preprocessor", "nasm_alone", "nasm_word", "gnu_word", "gnu_section", "gnu_directive", "masm_word",
)  # fmt: skip
"""The patterns that tell a dialect."""

VSIX = ROOT / "dist" / "execmem-kernel.vsix"


# ---- What is written from the one table --------------------------------------------------------------------------


def generated() -> dict[Path, str]:
    """The files that are written from the one table, with the text that they should have."""
    language = json.loads(LANGUAGE.read_text(encoding="utf-8"))
    table = {
        "magic": language["magic"],
        "words": words(language),
        "tokens": token_patterns(language),
        "dialects": {name: language["dialects"][name] for name in DECLARATIONS},
        "toggle": language["comments"]["toggle"],
    }
    return {TABLE: _json(table), GRAMMAR: _json(grammar(language))}


def _json(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"


def write_generated() -> None:
    for path, text in generated().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


# ---- The bundle ------------------------------------------------------------------------------------------------------


def source_files() -> Iterator[Path]:
    """What decides how the bundle looks."""
    for name in ("package.json", "package-lock.json", "rspack.config.js", "tsconfig.json"):
        yield SOURCES / name
    for folder in ("src", "style"):
        yield from sorted(path for path in (SOURCES / folder).rglob("*") if path.is_file())


def digests(paths: Iterator[Path], base: Path) -> dict[str, str]:
    """SHA-256 of each file by its path from `base` on."""
    return {path.relative_to(base).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def built_files(folder: Path = BUILT) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def record() -> dict[str, dict[str, str]]:
    """The record that belongs to the files as they are now."""
    return {"sources": digests(source_files(), SOURCES), "bundle": digests(built_files(), BUILT)}


def bundle(target: Path = BUILT) -> None:
    """Build the bundle with the packages of the lockfile. Needs node and npm.

    Raises:
        subprocess.CalledProcessError: npm, the compiler or the bundler failed.
    """
    install_packages(SOURCES)
    packages = SOURCES / "node_modules"
    # A copy, because the bundler writes where package.json says. It lies below the packages, where node finds them.
    with tempfile.TemporaryDirectory(prefix=".build-", dir=SOURCES) as name:
        copy = Path(name) / "labextension"
        for path in source_files():
            place = copy / path.relative_to(SOURCES)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
        _run([str(packages / ".bin" / "tsc")], copy)
        # The builder itself, and not the command of that name: that one takes what JupyterLab shares between extensions
        # from whichever JupyterLab is installed, or from the network.
        core = packages / "@jupyterlab" / "core-meta" / "core.package.json"
        builder = packages / "@jupyter" / "builder" / "lib" / "build-labextension.js"
        _run(["node", str(builder), "--core-package-file", str(core), str(copy)], copy)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(copy.parent / "execmem_kernel" / "labextension", target)


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def install_packages(folder: Path) -> None:
    """Install what a lockfile names, unless that is there.

    Raises:
        subprocess.CalledProcessError: npm failed.
    """
    lock, done = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".execmem-lock"
    if done.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    # Without --ignore-scripts packages could run programs of theirs here; none of ours has to.
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
    stamp.write_text(wanted)


# ---- The extension for VS Code -------------------------------------------------------------------------------------

CONTENT_TYPES = """<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension=".json" ContentType="application/json"/>
<Default Extension=".md" ContentType="text/markdown"/>
<Default Extension=".txt" ContentType="text/plain"/>
<Default Extension=".vsixmanifest" ContentType="text/xml"/>
</Types>
"""

MANIFEST = """<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
<Metadata>
<Identity Language="en-US" Id="{name}" Version="{version}" Publisher="{publisher}"/>
<DisplayName>{displayName}</DisplayName>
<Description xml:space="preserve">{description}</Description>
<Categories>Programming Languages</Categories>
<Properties><Property Id="Microsoft.VisualStudio.Code.Engine" Value="{engine}"/></Properties>
<License>extension/LICENSE.txt</License>
</Metadata>
<Installation><InstallationTarget Id="Microsoft.VisualStudio.Code"/></Installation>
<Dependencies/>
<Assets>
<Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" Addressable="true"/>
<Asset Type="Microsoft.VisualStudio.Services.Content.Details" Path="extension/README.md" Addressable="true"/>
<Asset Type="Microsoft.VisualStudio.Services.Content.License" Path="extension/LICENSE.txt" Addressable="true"/>
</Assets>
</PackageManifest>
"""


def write_vsix(target: Path) -> None:
    """Pack vscode/ as an extension file; the same sources give the same bytes."""
    package = json.loads((VSCODE / "package.json").read_text(encoding="utf-8"))
    manifest = MANIFEST.format(**package, engine=package["engines"]["vscode"])
    files = {
        "[Content_Types].xml": CONTENT_TYPES.encode(),
        "extension.vsixmanifest": manifest.encode(),
        "extension/LICENSE.txt": (ROOT / "LICENSE").read_bytes(),
        "extension/README.md": (VSCODE / "README.md").read_bytes(),
        "extension/package.json": (VSCODE / "package.json").read_bytes(),
        "extension/syntaxes/asm.tmLanguage.json": GRAMMAR.read_bytes(),
    }
    target.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)  # of 1980-01-01, the earliest that the format knows
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            # Stored: compressed bytes differ between versions of zlib.
            archive.writestr(entry, data)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-bundle", action="store_true", help="leave the JupyterLab extension as it is")
    arguments = parser.parse_args()
    write_generated()
    write_vsix(VSIX)
    if not arguments.no_bundle:
        try:
            bundle()
        except subprocess.CalledProcessError as failed:
            sys.exit(f"{failed.stdout or ''}\nerror: {failed}")
        RECORD.write_text(_json(record()), encoding="utf-8")


if __name__ == "__main__":
    main()
