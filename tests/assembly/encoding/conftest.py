"""What the encoder's tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from execmem_kernel.assembly.encoding.encoder import CheckedEncoder


@pytest.fixture
def encoder() -> Iterator[CheckedEncoder]:
    """An encoder with a child of its own, that knows nothing yet."""
    fresh = CheckedEncoder()
    yield fresh
    fresh.close()
