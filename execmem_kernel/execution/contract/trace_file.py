"""Traces in files: a header as JSON, then the columns of all stretches, compressed as one.

magic │ zlib( size of the header │ header │ states, column by column │ size of each step's log │ logs )
"""

from __future__ import annotations

import itertools
import json
import os
import zlib
from array import array
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from execmem_kernel.execution.contract.stretch import WIDTH, Between, Stretch
from execmem_kernel.execution.contract.traced_instruction import TracedInstruction

_MAGIC = b"execmem trace 2\n"


class TraceParts(NamedTuple):
    """What a trace is made of, in the order of its fields."""

    stretches: tuple[Stretch, ...]
    places: Mapping[int, TracedInstruction]
    ended: bool
    between: Between | None
    contents: tuple[tuple[int, int, bytes], ...]


def write_trace(path: str | os.PathLike[str], parts: TraceParts) -> None:
    """Write a trace to a file."""
    between = None
    if parts.between is not None:
        turned = [[*jump, times] for jump, times in parts.between.turns.items()]
        between = [list(parts.between.counts.items()), turned]
    header = {
        "stretches": [[one.first, len(one), len(one.log)] for one in parts.stretches],
        "ended": parts.ended,
        "between": between,
        "contents": [[start, size, data.hex()] for start, size, data in parts.contents],
        "places": [
            [one.address, one.code.hex(), one.text, one.line, one.source, one.foreign] for one in parts.places.values()
        ],
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    states, sizes, log = array("Q"), array("Q"), array("Q")
    for one in parts.stretches:
        states += one.states
        sizes.extend(end - start for start, end in itertools.pairwise((0, *one.ends)))
        log += one.log
    # Column by column: most registers do not change from step to step, and then compress to nothing.
    columns = b"".join(states[column::WIDTH].tobytes() for column in range(WIDTH))
    content = len(text).to_bytes(8, "little") + text + columns + sizes.tobytes() + log.tobytes()
    Path(path).write_bytes(_MAGIC + zlib.compress(content, 6))


def read_trace(path: str | os.PathLike[str]) -> TraceParts:
    """Read what `write_trace` wrote.

    Raises:
        ValueError: The file is not a saved trace, or it was damaged.
    """
    content = Path(path).read_bytes()
    if not content.startswith(_MAGIC):
        raise ValueError(f"{os.fspath(path)} is not a saved trace")
    try:
        content = zlib.decompress(content[len(_MAGIC) :])
    except zlib.error:
        raise ValueError(f"{os.fspath(path)} is a saved trace that was damaged") from None
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    between = None
    if header["between"] is not None:
        counted, turned = header["between"]
        between = Between(
            MappingProxyType(dict(map(tuple, counted))),
            MappingProxyType({(jump, target): times for jump, target, times in turned}),
        )
    places = {row[0]: TracedInstruction(row[0], bytes.fromhex(row[1]), *row[2:]) for row in header["places"]}
    contents = tuple((start, size, bytes.fromhex(data)) for start, size, data in header["contents"])
    stretches = tuple(_stretches(header["stretches"], array("Q", content[end:])))
    return TraceParts(stretches, MappingProxyType(places), header["ended"], between, contents)


def _stretches(rows: list[tuple[int, int, int]], numbers: array[int]) -> list[Stretch]:
    """The stretches, of each its first step, its steps and the numbers in its log, from the columns of all."""
    steps = sum(length for _, length, _ in rows)
    count = steps + len(rows)
    states = array("Q", bytes(8 * WIDTH * count))
    for column in range(WIDTH):
        states[column::WIDTH] = numbers[column * count : (column + 1) * count]
    sizes = numbers[WIDTH * count : WIDTH * count + steps]
    log = numbers[WIDTH * count + steps :]
    found = []
    for first, length, logged in rows:
        ends = array("Q", itertools.accumulate(sizes[:length]))
        found.append(Stretch(first, states[: (length + 1) * WIDTH], ends, log[:logged]))
        states, sizes, log = states[(length + 1) * WIDTH :], sizes[length:], log[logged:]
    return found
