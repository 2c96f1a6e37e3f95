"""Kinds are closed sets, and each has its words wherever it is shown."""

from __future__ import annotations

from typing import get_args

from execmem_kernel.memory.manager import CodeMemoryManager
from execmem_kernel.memory.mapping import Protection
from execmem_kernel.memory.values import KIND_WORDS, FindingKind, LeakReport, OwnerKind, Place, State
from execmem_kernel.views.memory import ANSWERERS, OWNERS
from tests.kernel import RETURN_42


def test_every_kind_of_finding_has_its_words_and_its_property() -> None:
    kinds = set(get_args(FindingKind))
    assert set(KIND_WORDS) == set(ANSWERERS) == kinds
    assert all(getattr(LeakReport(()), kind) == () for kind in kinds)


def test_every_kind_of_owner_has_its_words() -> None:
    assert set(OWNERS) == set(get_args(OwnerKind))


def test_states_places_and_owners_are_of_their_kinds(manager: CodeMemoryManager) -> None:
    held = [manager.allocate(64), manager.allocate(RETURN_42, pages=True), manager.allocate(64)]
    held[0].write(RETURN_42)
    address = manager.allocate(64).release()
    with held[1], held[1].pinned():
        held[1].close()
        found = manager.snapshot().regions
    seen = {(region.state, region.place, region.owner, region.protection) for region in found}
    assert seen == {
        ("written", "pool", "handle", "r-x"),
        ("closing", "own pages", "scope", "r-x"),
        ("allocated", "pool", "handle", "r-x"),
        ("allocated", "pool", "manual", "r-x"),
    }
    for field, kinds in {"state": State, "place": Place, "owner": OwnerKind, "protection": Protection}.items():
        assert all(getattr(region, field) in get_args(kinds) for region in found)
    manager.release(address)
    for memory in held:
        memory.close()
