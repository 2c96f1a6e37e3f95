"""All managers of the process: found as long as they exist, and locked together."""

from __future__ import annotations

import gc

from execmem_kernel.memory import registry
from execmem_kernel.memory.manager import CodeMemoryManager


def test_a_manager_is_a_member_as_long_as_it_exists() -> None:
    manager = CodeMemoryManager()
    assert any(each is manager for each in registry.members())
    number = id(manager)
    del manager
    gc.collect()
    assert not any(id(each) == number for each in registry.members())


def test_all_are_locked_together_and_open_again() -> None:
    managers = [CodeMemoryManager(), CodeMemoryManager()]

    def look(held: list[registry.Lockable]) -> None:
        assert all(any(each is manager for each in held) for manager in managers)
        assert all(manager.lock.locked() for manager in managers)

    registry.with_all_held(look)
    assert not any(manager.lock.locked() for manager in managers)


def test_an_inventory_is_what_was_held_then() -> None:
    with CodeMemoryManager() as manager:
        memory = manager.allocate(64, name="then", pages=True)
        with manager.lock:
            inventory = manager.inventory()
        address = memory.address
        memory.close()
        assert [region.name for region in inventory.blocks] == ["then"]
        assert (address, address + 4096) in inventory.mappings
