"""The editor's features asked of a real kernel, as JupyterLab, VS Code and jupyter console ask them."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from tests.running import HANGS_S

ROOT = Path(__file__).parent.parent.parent
DIAGNOSTICS = "application/vnd.execmem.diagnostics+json"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockingKernelClient]:
    """A kernel started from the checkout's own kernelspec."""
    specs = tmp_path_factory.mktemp("kernels")
    (specs / "execmem").symlink_to(ROOT / "kernelspec")
    manager = KernelManager(
        kernel_name="execmem",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(specs)], ensure_native_kernel=False),
    )
    manager.start_kernel(cwd=str(ROOT), stderr=subprocess.DEVNULL)
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=HANGS_S)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def execute(client: BlockingKernelClient, code: str) -> dict[str, Any]:
    return dict(client.execute_interactive(code, timeout=HANGS_S, output_hook=lambda message: None)["content"])


def complete(client: BlockingKernelClient, text: str) -> dict[str, Any]:
    return dict(client.complete(text, len(text), reply=True, timeout=HANGS_S)["content"])


def inspect(client: BlockingKernelClient, text: str, cursor: int, level: int = 0) -> dict[str, Any]:
    return dict(client.inspect(text, cursor, level, reply=True, timeout=HANGS_S)["content"])


def test_the_first_cell_of_the_assembly_kernel_knows_asm(client: BlockingKernelClient) -> None:
    assert execute(client, "%%asm\nmov eax, 42\nret")["status"] == "ok"


def test_completion_goes_through_the_kernel(client: BlockingKernelClient) -> None:
    reply = complete(client, "%%asm\nxor eax, ea")
    assert reply["matches"] == ["eax"]
    assert (reply["cursor_start"], reply["cursor_end"]) == (15, 17)
    kinds = reply["metadata"]["_jupyter_types_experimental"]
    assert (kinds[0]["type"], kinds[0]["start"], kinds[0]["end"]) == ("register", 15, 17)
    assert kinds[0]["signature"].startswith("The low 32 bits of rax")


def test_no_word_of_pythons_comes_through_the_kernel(client: BlockingKernelClient) -> None:
    for text in ("%%asm\npri", "%%asm\nmov eax, le", "%%asm\n; impo", "%%asm\n%who", "%%asm --trace pri"):
        found = complete(client, text)["matches"]
        assert not set(found) & {"print", "len", "import", "%who", "%%who"}


def test_python_cells_are_completed_as_ever(client: BlockingKernelClient) -> None:
    assert "print" in complete(client, "prin")["matches"]


def test_variables_are_those_of_the_kernel(client: BlockingKernelClient) -> None:
    execute(client, "amount = 42")
    assert "amount" in complete(client, "%%asm rdi=am")["matches"]


def test_inspection_goes_through_the_kernel(client: BlockingKernelClient) -> None:
    reply = inspect(client, "%%asm\nadd rax, rbx\nret", 7)
    assert reply["found"]
    assert reply["data"]["text/plain"].startswith("add: Adds rbx to rax")
    assert inspect(client, "%%asm\nadd rax, rbx # add", 21)["found"] is False
    assert "Assemble the cell" in inspect(client, "%%asm", 3)["data"]["text/plain"]


def test_diagnostics_touch_neither_state_nor_history(client: BlockingKernelClient) -> None:
    own = "{name for name in globals() if name[0] != '_'}"
    before = execute(client, f"names = {own} | {{'names'}}")["execution_count"]
    reply = inspect(client, "%%asm\nmvo eax, 1\nret", 0, 100)
    assert reply["found"]
    rows = reply["data"][DIAGNOSTICS]["diagnostics"]
    assert [(row["code"], row["line"], row["from"], row["to"]) for row in rows] == [("ASM100", 1, 6, 9)]
    assert rows[0]["replacements"][0]["insert"] == "mov"
    complete(client, "%%asm\nmo")
    after = execute(client, f"assert {own} == names")
    assert after["status"] == "ok"
    assert after["execution_count"] == before + 1
    history = client.history(hist_access_type="tail", n=5, reply=True, timeout=HANGS_S)["content"]["history"]
    assert not any("mvo" in line for _, _, line in history)


def test_a_terminal_is_told_that_a_cell_goes_on(client: BlockingKernelClient) -> None:
    def status(text: str) -> str:
        asked = client.is_complete(text)
        while (reply := client.get_shell_msg(timeout=HANGS_S))["parent_header"].get("msg_id") != asked:
            pass
        return str(reply["content"]["status"])

    assert status("%%asm") == "incomplete"
    assert status("%%asm\nmov eax, 1\nret") == "incomplete"
    assert status("%%asm\nmov eax, 1\nret\n\n") == "complete"


def test_unloaded_or_not_yet_loaded_the_question_is_harmless(client: BlockingKernelClient) -> None:
    execute(client, "%unload_ext execmem_kernel")
    try:
        reply = inspect(client, "%%asm\nmvo eax, 1\nret", 0, 100)
        assert reply["status"] == "ok"
        assert DIAGNOSTICS not in reply["data"]
        assert "print" in complete(client, "%%asm\npri")["matches"]
    finally:
        execute(client, "%load_ext execmem_kernel")
    assert complete(client, "%%asm\npri")["matches"] == []


def test_the_kernel_is_the_same_python_with_a_name_and_a_picture() -> None:
    spec = json.loads((ROOT / "kernelspec" / "kernel.json").read_text())
    assert spec["display_name"] == "Assembly (x86-64)"
    assert spec["language"] == "python"
    assert spec["argv"] == ["python", "-m", "ipykernel_launcher", "--ext=execmem_kernel", "-f", "{connection_file}"]
    assert (ROOT / "kernelspec" / "logo-svg.svg").read_text().startswith("<svg")
    for size in (32, 64):
        data = (ROOT / "kernelspec" / f"logo-{size}x{size}.png").read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        assert int.from_bytes(data[16:20], "big") == int.from_bytes(data[20:24], "big") == size


def test_the_wheel_has_the_kernelspec_and_the_tables(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=HANGS_S)
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    kernel = [name.rpartition("/")[2] for name in names if "/data/share/jupyter/kernels/execmem/" in name]
    assert sorted(kernel) == ["kernel.json", "logo-32x32.png", "logo-64x64.png", "logo-svg.svg"]
    assert {"execmem_kernel/editor/language.json", "execmem_kernel/editor/mnemonics.json"} <= set(names)
