"""Many texts asked of Keystone at once: in groups, in batches, with a new child where one is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from execmem_kernel.assembly.encoding.keystone_child import ChildLost, KeystoneChild
from execmem_kernel.errors import EncoderLostError

_BATCH = 1000
"""Lines in one request: few enough that a pipe and the child's deadline hold them."""
_GROUP = 32
"""Instructions that go to Keystone as one line: it is ten times as fast as with one each."""
_LOSSES_ALLOWED = 4
"""Children lost in one request before it is given up: one, its replacement, and as much again for a second culprit."""


class KeystoneClient:
    """Asks the child for the bytes of texts while the caller does something else; not safe to share between threads."""

    def __init__(self, child: KeystoneChild) -> None:
        self.child = child
        self._texts: list[str] = []
        self._groups: list[list[str]] = []
        self._sent = False
        """Whether the first batch of groups is on its way."""

    def begin(self, texts: Sequence[str]) -> None:
        """Send the texts of instructions, each once; `finish` has the answers."""
        self._texts = list(texts)
        self._groups = [self._texts[start : start + _GROUP] for start in range(0, len(self._texts), _GROUP)]
        self._sent = False
        if self._groups:
            try:
                self.child.send([";".join(group) for group in self._groups[:_BATCH]])
                self._sent = True
            except ChildLost:
                pass  # `finish` begins anew

    def finish(self, expected: Mapping[str, bytes]) -> dict[str, bytes | None]:
        """Text -> Keystone's bytes, None where it refuses, for all that `begin` sent.

        Args:
            expected: Text -> the bytes that iced-x86 made. A group that gives these is not asked one by one.

        Raises:
            EncoderLostError: Children were lost without one instruction being to blame.
        """
        lines = [";".join(group) for group in self._groups]
        together = self._receive(lines, self._sent)
        codes: dict[str, bytes | None] = {}
        for group, line in zip(self._groups, lines, strict=True):
            if together[line] == b"".join([expected.get(text, b"") for text in group]):
                codes.update((text, expected[text]) for text in group)
        # Where a group differs, each of it has to answer for itself.
        return codes | self._receive([text for text in self._texts if text not in codes], False)

    def _receive(self, lines: list[str], sent: bool) -> dict[str, bytes | None]:
        """Line -> its bytes; a child that is lost is replaced, and a line that kills two is skipped."""
        answers: dict[str, bytes | None] = {}
        waiting = lines
        suspect: str | None = None
        losses = 0
        while waiting:
            batch = [suspect] if suspect is not None else waiting[:_BATCH]
            try:
                if not sent:
                    self.child.send(batch)
                sent = False
                answers.update(zip(batch, self.child.receive(len(batch)), strict=True))
                suspect = None
            except ChildLost as lost:
                losses += 1
                (before,) = lost.args
                answers.update(zip(batch, before, strict=False))
                culprit = batch[len(before)] if len(before) < len(batch) else None
                if culprit is not None and culprit == suspect:
                    answers[culprit] = None
                    suspect = None
                elif losses > _LOSSES_ALLOWED:
                    raise EncoderLostError(
                        "The encoder's process (Keystone) was lost again and again. "
                        "The program may still be right: run it once more."
                    ) from None
                else:
                    suspect = culprit
            waiting = [line for line in waiting if line not in answers]
        return answers
