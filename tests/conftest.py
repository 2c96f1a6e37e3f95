"""What all tests share: the `--bless` option, and what running programs sets up once in a process."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="rewrite the golden files from what happens now")


@pytest.fixture(scope="session", autouse=True)
def programs_start_as_they_do_later() -> None:
    """The machine code that starts processes is there before any test counts mappings."""
    from execmem_kernel.execution import launcher

    launcher.launcher(at_once=True)


@pytest.fixture
def bless(request: pytest.FixtureRequest) -> bool:
    """True where golden files are to be rewritten instead of compared."""
    return bool(request.config.getoption("--bless"))
