"""The manager against a model of plain intervals, and against the kernel's map after every step."""

from __future__ import annotations

import gc
import os
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from execmem_kernel.errors import SealedMemoryError
from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory.growth import Fixed
from execmem_kernel.memory.handle import ExecutableMemory, owner_of
from execmem_kernel.memory.manager import CodeMemoryManager
from tests import kernel

SIZES = st.one_of(st.integers(6, 300), st.integers(6, 20_000))
INDEX = st.integers(0, 10**6)


class Expected:
    """What the model knows of one live block."""

    def __init__(self, address: int, size: int, content: bytes, pages: bool) -> None:
        self.address = address
        self.size = size
        self.content = bytearray(content)
        self.sealed = False
        self.pages = pages


def returns(number: int) -> bytes:
    """mov eax, number; ret"""
    return b"\xb8" + number.to_bytes(4, "little") + b"\xc3"


class ManagerMachine(RuleBasedStateMachine):
    """Every way to get, use and lose executable memory, in any order."""

    @initialize()
    def start(self) -> None:
        self.before = kernel.executable_mappings()
        self.mapped_by_others = kernel.bytes_of_code_files()
        self.manager = CodeMemoryManager(growth=Fixed(32 * 1024))
        self.owned: list[tuple[ExecutableMemory, Expected]] = []
        self.manual: list[Expected] = []
        self.unmanaged: list[tuple[int, int]] = []
        self.total = 0

    def teardown(self) -> None:
        if not hasattr(self, "manager"):
            return
        for memory, _ in self.owned:
            memory.close()
        for expected in self.manual:
            self.manager.release(expected.address)
        for address, size in self.unmanaged:
            linux_memory.unmap_pages([(address, size)])
        self.manager.cleanup()
        assert kernel.executable_mappings() == self.before

    def pick(self, index: int) -> tuple[ExecutableMemory, Expected]:
        return self.owned[index % len(self.owned)]

    @rule(size=SIZES, pages=st.booleans())
    def allocate(self, size: int, pages: bool) -> None:
        memory = self.manager.allocate(size, pages=pages)
        self.owned.append((memory, Expected(memory.address, size, b"\xcc" * size, pages)))
        self.total += 1

    @rule(number=st.integers(0, 2**31 - 1), pages=st.booleans())
    def allocate_code(self, number: int, pages: bool) -> None:
        memory = self.manager.allocate(returns(number), pages=pages)
        expected = Expected(memory.address, 6, returns(number), pages)
        expected.sealed = True
        self.owned.append((memory, expected))
        self.total += 1

    @rule(index=INDEX, offset=st.integers(0, 20_000), number=st.integers(0, 2**31 - 1))
    @precondition(lambda self: self.owned)
    def write(self, index: int, offset: int, number: int) -> None:
        memory, expected = self.pick(index)
        offset %= expected.size - 5
        if expected.sealed:
            with pytest.raises(SealedMemoryError):
                memory.write(returns(number), offset)
        else:
            memory.write(returns(number), offset)
            expected.content[offset : offset + 6] = returns(number)

    @rule(index=INDEX)
    @precondition(lambda self: self.owned)
    def seal(self, index: int) -> None:
        memory, expected = self.pick(index)
        memory.seal()
        expected.sealed = True

    @rule(index=INDEX)
    @precondition(lambda self: self.owned)
    def call(self, index: int) -> None:
        memory, expected = self.pick(index)
        if expected.sealed and expected.content[0] == 0xB8 and expected.content[5] == 0xC3:
            with memory.pinned():
                assert kernel.call(memory.address) == int.from_bytes(expected.content[1:5], "little")

    @rule(index=INDEX)
    @precondition(lambda self: self.owned)
    def move(self, index: int) -> None:
        memory, expected = self.pick(index)
        self.owned[index % len(self.owned)] = (memory.move(), expected)
        assert memory.closed

    @rule(index=INDEX)
    @precondition(lambda self: self.owned)
    def close(self, index: int) -> None:
        memory, _ = self.owned.pop(index % len(self.owned))
        memory.close()

    @rule(index=INDEX)
    @precondition(lambda self: self.owned)
    def close_during_a_call(self, index: int) -> None:
        memory, expected = self.owned.pop(index % len(self.owned))
        memory.seal()
        with memory.pinned():
            memory.close()
            assert linux_memory.read_memory(expected.address, expected.size) == expected.content

    @rule(index=INDEX)
    @precondition(lambda self: self.owned)
    def drop_without_close(self, index: int) -> None:
        memory, _ = self.owned.pop(index % len(self.owned))
        with pytest.warns(ResourceWarning, match="was forgotten and has been freed"):
            del memory

    @rule(index=INDEX)
    @precondition(lambda self: self.owned)
    def release_to_a_manual_owner(self, index: int) -> None:
        memory, expected = self.owned.pop(index % len(self.owned))
        assert memory.release() == expected.address
        self.manual.append(expected)

    @rule(index=INDEX, adopt=st.booleans())
    @precondition(lambda self: self.manual)
    def end_manual_ownership(self, index: int, adopt: bool) -> None:
        expected = self.manual.pop(index % len(self.manual))
        if adopt:
            self.owned.append((self.manager.adopt(expected.address), expected))
        else:
            self.manager.release(expected.address)

    @rule(size=st.integers(1, 10_000))
    def allocate_raw(self, size: int) -> None:
        address = self.manager.allocate_unmanaged(size)
        self.unmanaged.append((address, -(-size // 4096) * 4096))

    @rule(index=INDEX)
    @precondition(lambda self: self.owned)
    def fork(self, index: int) -> None:
        memory, expected = self.pick(index)
        child = os.fork()
        if child == 0:
            try:
                same = linux_memory.read_memory(memory.address, memory.size) == expected.content
                try:
                    owner_of(memory).allocate(64)
                    same = False
                except RuntimeError:
                    gc.collect()
                os._exit(0 if same else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0

    @rule()
    def cleanup(self) -> None:
        report = self.manager.cleanup()
        assert len(report.released) == len(self.owned) + len(self.manual)
        assert all(memory.closed for memory, _ in self.owned)
        self.owned, self.manual = [], []

    @invariant()
    def contents_are_what_was_written(self) -> None:
        for expected in self.live():
            assert linux_memory.read_memory(expected.address, expected.size) == expected.content

    @invariant()
    def nothing_overlaps(self) -> None:
        spans = sorted((expected.address, expected.address + expected.size) for expected in self.live())
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))

    @invariant()
    def the_kernel_has_mapped_what_the_books_say(self) -> None:
        if not hasattr(self, "manager"):
            return
        lines = kernel.mappings()
        for expected in self.live():
            (protection,) = {how for start, end, how, _ in lines if start <= expected.address < end}
            assert protection == "r-xs"
        numbers = self.manager.statistics()
        assert kernel.bytes_of_code_files() - self.mapped_by_others == numbers.reserved - numbers.padding
        assert kernel.writable_and_executable() == []

    @invariant()
    def the_numbers_add_up(self) -> None:
        if not hasattr(self, "manager"):
            return
        numbers = self.manager.statistics()
        assert (
            numbers.payload + numbers.rounding + numbers.padding + numbers.metadata + numbers.free == numbers.reserved
        )
        assert numbers.live == len(self.live())
        assert numbers.payload == sum(expected.size for expected in self.live())
        assert numbers.own_regions == sum(expected.pages for expected in self.live())
        assert numbers.total == self.total
        assert numbers.damaged == 0
        last = self.manager.events()[-1:]
        for event in last:
            assert event.owned == sum(expected.size for _, expected in self.owned)

    def live(self) -> list[Expected]:
        return [expected for _, expected in getattr(self, "owned", [])] + getattr(self, "manual", [])


TestManagerModel = ManagerMachine.TestCase
TestManagerModel.settings = settings(
    max_examples=25, stateful_step_count=35, deadline=None, suppress_health_check=list(HealthCheck)
)
