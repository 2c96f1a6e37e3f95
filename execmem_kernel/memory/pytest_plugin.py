"""The fixture `assert_no_leaks` for pytest: a test that leaves executable memory behind fails, and says which."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def assert_no_leaks() -> Iterator[None]:
    """Fail the test if executable memory that it allocated outlives it."""
    # Imported here: pytest loads this file in every session where the package is installed.
    from execmem_kernel.memory import testing

    with testing.assert_no_leaks():
        yield
