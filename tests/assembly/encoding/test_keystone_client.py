"""Many texts are asked of Keystone at once; what differs is asked again by itself."""

from __future__ import annotations

from collections.abc import Sequence

from execmem_kernel.assembly.encoding.keystone_child import ChildLost, KeystoneChild
from execmem_kernel.assembly.encoding.keystone_client import KeystoneClient

TEXTS = [f"add rax, {number}" for number in range(40)]
CODES = {text: bytes([number]) for number, text in enumerate(TEXTS)}


class Answering(KeystoneChild):
    """A child that knows the code of each text, and notes what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[str]] = []
        self.lines: Sequence[str] = ()

    def send(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.asked.append(list(lines))

    def receive(self, count: int) -> list[bytes | None]:
        return [b"".join(CODES[text] for text in line.split(";")) for line in self.lines[:count]]


def test_groups_that_give_what_is_expected_are_asked_once() -> None:
    child = Answering()
    client = KeystoneClient(child)
    client.begin(TEXTS)
    assert client.finish(CODES) == CODES
    assert [len(lines) for lines in child.asked] == [2]


def test_a_group_with_something_unexpected_is_asked_one_by_one() -> None:
    child = Answering()
    client = KeystoneClient(child)
    client.begin(TEXTS)
    assert client.finish({**CODES, TEXTS[35]: b"other"}) == CODES
    assert [len(lines) for lines in child.asked] == [2, 8]
    assert child.asked[1] == TEXTS[32:]


def test_no_text_is_no_request() -> None:
    child = Answering()
    client = KeystoneClient(child)
    client.begin([])
    assert client.finish({}) == {}
    assert child.asked == []


def test_a_child_that_is_lost_while_it_is_asked_is_asked_again() -> None:
    class Stumbling(Answering):
        def send(self, lines: Sequence[str]) -> None:
            super().send(lines)
            if len(self.asked) == 1:
                raise ChildLost([])

    client = KeystoneClient(Stumbling())
    client.begin(TEXTS)
    assert client.finish(CODES) == CODES
