"""The memory map as a value, and the tables of audits and cleanups."""

from __future__ import annotations

import re

from execmem_kernel.memory.manager import CodeMemoryManager
from execmem_kernel.memory.values import Finding, LeakReport
from execmem_kernel.views.memory import RELEASED_ROWS, cleanup_report, leaks_report, picture


def now(manager: CodeMemoryManager) -> list[tuple[str, str, str]]:
    """Kind, name and owner of every row."""
    rows = picture(manager.snapshot(), manager.events()).rows
    return [(row.kind, row.name, row.owner) for row in rows]


def test_regions_come_and_go_with_their_owners() -> None:
    manager = CodeMemoryManager()
    with manager.allocate(b"\xc3", name="scoped"):
        held = manager.allocate(b"\xc3", name="held")
        assert now(manager) == [("live", "scoped", "a with block"), ("live", "held", "a handle")]
    assert now(manager) == [("released", "scoped", "-"), ("live", "held", "a handle")]
    held.close()
    assert [kind for kind, _, _ in now(manager)] == ["released", "released"]


def test_memory_handed_over_is_owned_by_nobody_we_know() -> None:
    manager = CodeMemoryManager()
    address = manager.allocate(b"\xc3", name="given").release()
    assert now(manager) == [("unowned", "given", "handed over")]
    manager.release(address)


def test_only_the_last_released_regions_stay_in_the_map() -> None:
    manager = CodeMemoryManager()
    for number in range(20):
        manager.allocate(b"\xc3", name=f"n{number}").close()
    assert [name for _, name, _ in now(manager)] == [f"n{number}" for number in range(20 - RELEASED_ROWS, 20)]


def test_the_totals_are_said_in_words() -> None:
    manager = CodeMemoryManager()
    assert picture(manager.snapshot(), manager.events()).totals == "0 live regions, 0 bytes"
    with manager.allocate(1234):
        assert picture(manager.snapshot(), manager.events()).totals == "1 live region, 1,234 bytes"


def test_no_address_is_in_the_map() -> None:
    manager = CodeMemoryManager()
    with manager.allocate(b"\xc3", name="f", pages=True) as memory:
        report = picture(manager.snapshot(), manager.events()).report()
        for shown in (f"{memory.address:x}", str(memory.address)):
            assert shown not in report.text() + report.html()


def test_a_name_cannot_steer_the_terminal_or_the_page() -> None:
    manager = CodeMemoryManager()
    with manager.allocate(b"\xc3", name="\x1b[2J<b>"):
        report = picture(manager.snapshot(), manager.events()).report()
    assert r"\x1b[2J<b>" in report.text()
    assert "<b>" not in report.html().replace("<b>executable memory</b>", "")


def test_an_audit_names_what_nobody_owns() -> None:
    leaks = LeakReport(
        (
            Finding("reachable", "add", "cell 3", 2, 6, ("variable add",)),
            Finding("foreign", None, "cell 5", 1, 4096),
            Finding("foreign", None, None, None, 8192),
        )
    )
    text = leaks_report(leaks).text()
    assert text.startswith("audit: 3 pieces, 12,294 bytes, that no scope answers for\n")
    assert re.search(r"add +6 bytes +cell 3, line 2 +no scope; kept alive by variable add", text)
    assert re.search(r"\(no name\) +4,096 bytes +cell 5, line 1 +nobody: mapped past the manager", text)
    assert re.search(r"8,192 bytes +unknown ", text)


def test_an_audit_without_findings_says_so() -> None:
    assert leaks_report(LeakReport(())).text() == "audit: no executable memory outside the libraries"
    assert "open scope" in leaks_report(LeakReport((Finding("scoped", "f", "cell 1", 1, 6),))).text()


def test_a_cleanup_says_what_it_released() -> None:
    manager = CodeMemoryManager()
    memory = manager.allocate(b"\xc3" * 100, name="f")
    assert cleanup_report(manager.cleanup()).text() == "cleanup: 1 region released, 100 bytes"
    assert memory.closed
