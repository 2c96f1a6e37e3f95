"""What all tests share: the `--bless` option."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="rewrite the golden files from what happens now")


@pytest.fixture
def bless(request: pytest.FixtureRequest) -> bool:
    """True where golden files are to be rewritten instead of compared."""
    return bool(request.config.getoption("--bless"))
