"""The checked encoder: Keystone in a child, iced-x86 beside it, every encoding verified by two decoders.

    Operation --canonical--> forms --+--> iced-x86, in process -----------+--> read back, compared --> Encoding
                                     +--> text --> Keystone, in a child --+

Keystone gets canonical instructions with every number as 0x.. or as one digit, which no radix changes. Where the two
encoders agree, that is the answer; where they differ, the shorter one. Every answer is decoded by iced-x86 and by
Capstone and must say what the operation says, or it does not exist. Branches are encoded in branches.py.
"""

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
from execmem_kernel.assembly.encoding.keystone_child import KeystoneChild
from execmem_kernel.assembly.encoding.keystone_client import KeystoneClient
from execmem_kernel.assembly.encoding.refusals.misspellings import misspelt, unknown
from execmem_kernel.assembly.encoding.refusals.refuse import refuse
from execmem_kernel.errors import EncoderLostError
from execmem_kernel.x86.canonical_form import canonical
from execmem_kernel.x86.forms import Form, forms_of
from execmem_kernel.x86.operands import Encoding, Memory, Operation, Refusal, Target
from execmem_kernel.x86.selection import encoding_rank, select


class Encoder(Protocol):
    """Turns operations into bytes, in batches; one answer for each, in order."""

    def encode(self, operations: Sequence[Operation]) -> list[Encoding | Refusal]:
        """Encode every operation at its own address.

        Raises:
            EncoderLostError: The encoder's process broke twice on the same batch.
        """
        ...


_CacheKey = Operation | tuple[EncodingClass, str]
"""What the encoding of an operation is remembered by: its encoding class and its text, or all of it."""


class CheckedEncoder:
    """The `Encoder` this package uses; safe to share between threads and across a fork."""

    _CACHE_SIZE = 16384
    """Encodings that are remembered: several of the largest programs' different instructions."""
    _CLASSES = 8192

    def __init__(self, child: KeystoneChild | None = None) -> None:
        """An encoder with a child process of its own, which is started when it is first needed.

        Args:
            child: Keystone's process; one that is made here unless another is given.
        """
        self._lock = threading.RLock()
        self._known: dict[_CacheKey, PositionedEncoding | Refusal] = {}
        self._classes: dict[EncodingKey, EncodingClass] = {}
        self._answered: dict[int, tuple[Operation, Encoding | Refusal]] = {}
        """By identity, the answer for the very same operation: lines that are alike share theirs."""
        self._keystone = KeystoneClient(child or KeystoneChild())

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
            key = encoding_key(operation)
            shared = self._classes.get(key) if key is not None else None
            if shared is None:
                keys.append(self._look_at(operation, key, fresh))
                continue
            text = canonical_text(operation, shared.candidates[0])
            named = (shared, text)
            keys.append(named)
            if named not in known and named not in fresh:
                meant = _renamed(operation, shared.mnemonic)
                fresh[named] = Request(meant, shared.candidates, shared.is_for_keystone, text, shared)
        if fresh:
            known |= zip(fresh, self._find_all(list(fresh.values())), strict=True)
        answers = []
        for cached, operation in zip(keys, operations, strict=True):
            if isinstance(cached, Encoding | Refusal):
                answers.append(cached)
                continue
            answer = _at_address(cached, known[cached], operation)
            answers.append(answer)
            if operation.address == 0:
                self._answered[id(operation)] = (operation, answer)
        self._forget_the_oldest()
        return answers

    def _look_at(
        self, operation: Operation, key: EncodingKey | None, fresh: dict[_CacheKey, Request]
    ) -> _CacheKey | Encoding | Refusal:
        """What an operation of no known class is remembered by, or its answer where that needs no encoder."""
        meant = canonical(operation)
        if meant is None:
            return unknown(operation.mnemonic)
        if meant.mnemonic != operation.mnemonic:
            refusal = misspelt(operation)
            if refusal is not None:
                return refusal
        if meant.operands and isinstance(meant.operands[-1], Target):
            answer = encode_branch(meant._replace(address=operation.address), meant.operands[-1])
            return _as_spelt(answer, meant.mnemonic, operation.mnemonic)
        plan = _without_target(meant)
        if plan not in self._known and plan not in fresh:
            candidates = select(plan)
            refusal = refuse(plan, candidates)
            if refusal is not None:
                self._known[plan] = refusal
                return plan
            is_for_keystone = keystone_reads(plan, candidates[0])
            fresh[plan] = Request(plan, candidates, is_for_keystone, canonical_text(plan, candidates[0]), None)
            if key is not None and _is_exemplary(operation, meant, candidates):
                if len(self._classes) >= self._CLASSES:
                    self._classes.clear()
                self._classes[key] = EncodingClass(plan, candidates, is_for_keystone)
        return plan

    def _forget_the_oldest(self) -> None:
        if len(self._answered) > self._CACHE_SIZE:
            self._answered.clear()
        if len(self._known) > self._CACHE_SIZE:
            # The older half goes at once: to keep the order of use would cost every lookup.
            for key in list(self._known)[: len(self._known) - self._CACHE_SIZE // 2]:
                del self._known[key]

    def _find_all(self, requests: list[Request]) -> list[PositionedEncoding | Refusal]:
        """Keystone's encoding where it is right and as short as can be, otherwise iced-x86's; both checked."""
        asked = [request for request in requests if request.is_for_keystone]
        try:
            self._keystone.begin(list(dict.fromkeys(request.text for request in asked)))
            # Keystone works while iced-x86 does.
            by_iced = shortest_encodings(requests)
            expected = {
                request.text: candidate.code
                for request, candidate in zip(requests, by_iced, strict=True)
                if request.is_for_keystone and candidate is not None
            }
            by_keystone = self._keystone.finish(expected)
        except BaseException:
            # Interrupted in between: what the child has yet to say would answer the next request.
            self._keystone.child.stop()
            raise
        chosen = [
            _better(request, candidate, by_keystone[request.text] if request.is_for_keystone else None)
            for request, candidate in zip(requests, by_iced, strict=True)
        ]
        return verified_by_capstone(requests, chosen)

    def prepare(self) -> None:
        """Start the child process, so that it is ready by the time the first source has been read."""
        with self._lock, contextlib.suppress(EncoderLostError):  # the first request will say so again
            self._keystone.child.start()

    def close(self) -> None:
        """End the child process; the next request starts another."""
        with self._lock:
            self._keystone.child.stop()

    def after_fork(self) -> None:
        """In a forked copy: the child is the parent's, the lock may have been held by a thread that is not here."""
        self._lock = threading.RLock()
        self._keystone.child.forget()


def _better(request: Request, by_iced: Candidate | None, by_keystone: bytes | None) -> Candidate | None:
    """The better of two encodings, if Keystone's is one: in the preferred encoding space, then the shorter."""
    if by_keystone is None or (by_iced is not None and by_keystone == by_iced.code):
        return by_iced
    operation = request.operation
    verified = verified_by_iced(by_keystone, request.candidates, operation)
    return min(
        (one for one in (by_iced, verified) if one is not None),
        key=lambda one: (encoding_rank(one.form, operation), len(one.code), one.form.rank),
        default=None,
    )


def _without_target(operation: Operation) -> Operation:
    """The operation with nothing in it that depends on where it lies."""
    for number, operand in enumerate(operation.operands):
        if isinstance(operand, Memory) and operand.target is not None:
            operands = list(operation.operands)
            operands[number] = replace(operand, target=None, displacement=0)
            return operation._replace(operands=tuple(operands))
    return operation


def _is_exemplary(operation: Operation, meant: Operation, candidates: Sequence[Form]) -> bool:
    """Whether what was found out about the operation holds for all with its encoding key.

    Not where its operands were put into other words, and not where it matters that two registers are the same.
    """
    return (
        operation.operands == meant.operands
        and operation.prefixes == meant.prefixes
        and all(len(form.slots) == len(operation.operands) for form in candidates)
        and not any(slot.memory == "implied" for form in forms_of(meant.mnemonic) for slot in form.slots)
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


def _renamed(operation: Operation, mnemonic: str) -> Operation:
    """The operation under the instruction's one name here."""
    return operation if operation.mnemonic == mnemonic else operation._replace(mnemonic=mnemonic)


def _at_address(key: _CacheKey, found: PositionedEncoding | Refusal, operation: Operation) -> Encoding | Refusal:
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
