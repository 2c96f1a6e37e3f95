"""The checked encoder: Keystone in a child, iced-x86 beside it, every encoding verified by two decoders.

    Operation --canonical--> forms --+--> iced-x86, in process -----------+--> read back, compared --> Encoding
                                     +--> text --> Keystone, in a child --+

Keystone gets canonical instructions with every number as 0x.. or as one digit, which no radix changes. Where the two
encoders agree, that is the answer; where they differ, the shorter one. Every answer is decoded by iced-x86 and by
Capstone and must say what the operation says, or it does not exist. Branches are encoded in branches.py.
"""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from execmem_kernel.assembly.encoding.branches import encode_branch
from execmem_kernel.assembly.encoding.candidates import Candidate, EncodingClass, PositionedEncoding, Request
from execmem_kernel.assembly.encoding.canonical_text import canonical_text, keystone_reads
from execmem_kernel.assembly.encoding.capstone_check import verified_by_capstone
from execmem_kernel.assembly.encoding.encoding_key import EncodingKey, encoding_key
from execmem_kernel.assembly.encoding.iced_check import shortest_encodings, verified_by_iced
from execmem_kernel.assembly.encoding.keystone_child import ChildLost, KeystoneChild
from execmem_kernel.assembly.encoding.refusals import misspellings, refuse
from execmem_kernel.errors import EncoderLostError
from execmem_kernel.x86 import canonical_form, forms, selection
from execmem_kernel.x86.forms import Form
from execmem_kernel.x86.operands import Encoding, Memory, Operation, Refusal, Target

_CacheKey = Operation | tuple[EncodingClass, str]
"""What the encoding of an operation is remembered by: its kind and its text, or all of it."""


class CheckedEncoder:
    """The `Encoder` this package uses; safe to share between threads and across a fork."""

    _CACHE_SIZE = 16384
    _KINDS = 8192
    _BATCH = 1000
    _GROUP = 32
    """Instructions that go to Keystone as one line: it is ten times as fast as with one each."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._known: dict[_CacheKey, PositionedEncoding | Refusal] = {}
        self._kinds: dict[EncodingKey, EncodingClass] = {}
        self._answered: dict[int, tuple[Operation, Encoding | Refusal]] = {}
        """By identity, what was said to the very same operation: lines that are alike share theirs."""
        self._keystone = KeystoneChild()

    def encode(self, operations: Sequence[Operation]) -> list[Encoding | Refusal]:
        """Encode every operation at its own address; one answer for each, in order.

        Raises:
            EncoderLostError: The encoder's process broke twice on the same batch.
        """
        with self._lock:
            answered = self._answered
            answers: list[Encoding | Refusal | None] = []
            new: list[Operation] = []
            for operation in operations:
                found = answered.get(id(operation))
                if found is not None and found[0] is operation:
                    answers.append(found[1])
                else:
                    answers.append(None)
                    new.append(operation)
            if not new:
                return answers  # type: ignore[return-value]
            rest = iter(self._encode_new(new))
        return [next(rest) if answer is None else answer for answer in answers]

    def _encode_new(self, operations: Sequence[Operation]) -> list[Encoding | Refusal]:
        known = self._known
        fresh: dict[_CacheKey, Request] = {}
        keys: list[_CacheKey | Encoding | Refusal] = []
        for operation in operations:
            outline = encoding_key(operation)
            kind = self._kinds.get(outline) if outline is not None else None
            if kind is None:
                keys.append(self._look_at(operation, outline, fresh))
                continue
            text = canonical_text(operation, kind.candidates[0])
            named = (kind, text)
            keys.append(named)
            if named not in known and named not in fresh:
                meant = _named(operation, kind.mnemonic)
                fresh[named] = Request(meant, kind.candidates, kind.is_for_keystone, text, kind)
        if fresh:
            known |= zip(fresh, self._find_all(list(fresh.values())), strict=True)
        answers = []
        for key, operation in zip(keys, operations, strict=True):
            if isinstance(key, Encoding | Refusal):
                answers.append(key)
                continue
            answer = _place(key, known[key], operation)
            answers.append(answer)
            if operation.address == 0:
                self._answered[id(operation)] = (operation, answer)
        self._forget_the_oldest()
        return answers

    def _look_at(
        self, operation: Operation, outline: EncodingKey | None, fresh: dict[_CacheKey, Request]
    ) -> _CacheKey | Encoding | Refusal:
        """What an operation of no known kind is remembered by, or its answer where that needs no encoder."""
        meant = canonical_form.canonical(operation)
        if meant is None:
            return misspellings.unknown(operation.mnemonic)
        if meant.mnemonic != operation.mnemonic:
            refusal = misspellings.misspelt(operation)
            if refusal is not None:
                return refusal
        if meant.operands and isinstance(meant.operands[-1], Target):
            answer = encode_branch(meant._replace(address=operation.address), meant.operands[-1])
            return _as_spelt(answer, meant.mnemonic, operation.mnemonic)
        plan = _without_target(meant)
        if plan not in self._known and plan not in fresh:
            candidates = selection.select(plan)
            refusal = refuse.refuse(plan, candidates)
            if refusal is not None:
                self._known[plan] = refusal
                return plan
            is_for_keystone = keystone_reads(plan, candidates[0])
            fresh[plan] = Request(plan, candidates, is_for_keystone, canonical_text(plan, candidates[0]), None)
            if outline is not None and _is_exemplary(operation, meant, candidates):
                if len(self._kinds) >= self._KINDS:
                    self._kinds.clear()
                self._kinds[outline] = EncodingClass(plan, candidates, is_for_keystone)
        return plan

    def _forget_the_oldest(self) -> None:
        if len(self._answered) > self._CACHE_SIZE:
            self._answered.clear()
        if len(self._known) > self._CACHE_SIZE:
            # The older half goes at once: to keep the order of use would cost every lookup.
            for key in list(self._known)[: len(self._known) - self._CACHE_SIZE // 2]:
                del self._known[key]

    def prepare(self) -> None:
        """Start the child process, so that it is ready by the time the first source has been read."""
        with self._lock, contextlib.suppress(EncoderLostError):  # the first request will say so again
            self._keystone.start()

    def close(self) -> None:
        """End the child process; the next request starts another."""
        with self._lock:
            self._keystone.stop()

    def after_fork(self) -> None:
        """In a forked copy: the child is the parent's, the lock may have been held by a thread that is not here."""
        self._lock = threading.RLock()
        self._keystone.forget()

    def _find_all(self, questions: list[Request]) -> list[PositionedEncoding | Refusal]:
        """Keystone's encoding where it is right and as short as can be, otherwise iced-x86's; both checked."""
        texts = list(dict.fromkeys(question.text for question in questions if question.is_for_keystone))
        groups = [texts[start : start + self._GROUP] for start in range(0, len(texts), self._GROUP)]
        lines = [";".join(group) for group in groups]
        try:
            sent = self._send(lines[: self._BATCH])
            # Keystone works while iced-x86 does.
            by_iced = shortest_encodings(questions)
            alike = {
                question.text: other.code
                for question, other in zip(questions, by_iced, strict=True)
                if question.is_for_keystone and other is not None
            }
            together = self._receive(lines, sent)
            codes: dict[str, bytes | None] = {}
            for group, line in zip(groups, lines, strict=True):
                if together[line] == b"".join([alike.get(text, b"") for text in group]):
                    codes.update((text, alike[text]) for text in group)
            # Where a group differs, each of it has to answer for itself.
            codes |= self._receive([text for text in texts if text not in codes], False)
        except BaseException:
            self._keystone.stop()  # interrupted in between: what it has yet to say would answer the next request
            raise
        chosen: list[Candidate | None] = []
        for question, other in zip(questions, by_iced, strict=True):
            code = codes[question.text] if question.is_for_keystone else None
            if code is None or (other is not None and code == other.code):
                chosen.append(other)
                continue
            operation = question.operation
            believed = verified_by_iced(code, question.candidates, operation)
            chosen.append(
                min(
                    (one for one in (other, believed) if one is not None),
                    key=lambda one: (selection.encoding_rank(one.form, operation), len(one.code), one.form.rank),
                    default=None,
                )
            )
        return verified_by_capstone(questions, chosen)

    def _send(self, batch: list[str]) -> bool:
        """Send a batch to the child; False when there is none to take it."""
        if not batch:
            return False
        try:
            self._keystone.send(batch)
        except ChildLost:
            return False
        return True

    def _receive(self, texts: list[str], sent: bool) -> dict[str, bytes | None]:
        """Text -> Keystone's bytes; a child that is lost is replaced, and an instruction that kills two is skipped.

        Raises:
            EncoderLostError: Children were lost without one instruction being to blame.
        """
        answers: dict[str, bytes | None] = {}
        waiting = texts
        suspect: str | None = None
        losses = 0
        while waiting:
            batch = [suspect] if suspect is not None else waiting[: self._BATCH]
            try:
                if not sent:
                    self._keystone.send(batch)
                sent = False
                answers.update(zip(batch, self._keystone.receive(len(batch)), strict=True))
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
                        "The encoder's process (Keystone) was lost again and again. The program may still be right: run it once more."
                    ) from None
                else:
                    suspect = culprit
            waiting = [text for text in waiting if text not in answers]
        return answers


_LOSSES_ALLOWED = 4
"""Children lost in one request before it is given up: one, its replacement, and as much again for a second culprit."""


def _without_target(operation: Operation) -> Operation:
    """The operation with nothing in it that depends on where it lies."""
    for number, operand in enumerate(operation.operands):
        if isinstance(operand, Memory) and operand.target is not None:
            operands = list(operation.operands)
            operands[number] = replace(operand, target=None, displacement=0)
            return operation._replace(operands=tuple(operands))
    return operation


def _is_exemplary(operation: Operation, meant: Operation, candidates: Sequence[Form]) -> bool:
    """Whether what was found out about the operation holds for all of its outline.

    Not where its operands were put into other words, and not where it matters that two registers are the same.
    """
    return (
        operation.operands == meant.operands
        and operation.prefixes == meant.prefixes
        and all(len(form.slots) == len(operation.operands) for form in candidates)
        and not any(slot.memory == "implied" for form in forms.forms_of(meant.mnemonic) for slot in form.slots)
        and not any(form.info.requires_unique_reg_nums for form in candidates)
    )


def _as_spelt(answer: Encoding | Refusal, name: str, written: str) -> Encoding | Refusal:
    """A refusal speaks of the instruction as the source does: `setz`, not `sete`."""
    if name == written or isinstance(answer, Encoding):
        return answer
    said, meant = f"`{written}`", f"`{name}`"
    return replace(
        answer, message=answer.message.replace(meant, said), hint=answer.hint.replace(f"`{name} ", f"`{written} ")
    )


def _named(operation: Operation, mnemonic: str) -> Operation:
    """The operation under the instruction's one name here."""
    return operation if operation.mnemonic == mnemonic else operation._replace(mnemonic=mnemonic)


def _place(key: _CacheKey, found: PositionedEncoding | Refusal, operation: Operation) -> Encoding | Refusal:
    """The encoding at the operation's own address."""
    if isinstance(found, PositionedEncoding):
        for operand in operation.operands:
            if isinstance(operand, Memory) and operand.target is not None:
                break
        else:
            return found.encoding
        encoding, start = found.encoding, found.displacement_offset
        code = encoding.code
        distance = operand.target - (operation.address + len(code))
        if -(1 << 31) <= distance < 1 << 31:
            code = code[:start] + distance.to_bytes(4, "little", signed=True) + code[start + 4 :]
            return Encoding(code, encoding.text, encoding.features)
        found = Refusal(
            "ASM117", "The address is more than 2 GiB away, further than rip-relative addressing reaches.", None
        )
    return _as_spelt(found, key.mnemonic if isinstance(key, Operation) else key[0].mnemonic, operation.mnemonic)


_shared: CheckedEncoder | None = None


_shared_lock = threading.Lock()


def default_encoder() -> Encoder:
    """The encoder that everything in this process shares."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = CheckedEncoder()
            _shared.prepare()
            atexit.register(_shared.close)
            os.register_at_fork(after_in_child=_shared.after_fork)
        return _shared


class Encoder(Protocol):
    """Turns operations into bytes, in batches; one answer for each, in order."""

    def encode(self, operations: Sequence[Operation]) -> list[Encoding | Refusal]:
        """Encode every operation at its own address.

        Raises:
            EncoderLostError: The encoder's process broke twice on the same batch.
        """
        ...
