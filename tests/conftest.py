"""What all tests share: the `--bless` option, what is set up once in a process, and the count of what is left."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator

import pytest

from tests import kernel


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="rewrite the golden files from what happens now")


def set_up_what_stays() -> None:
    """Start what is set up once in a process and stays: the encoder's process, a manager, machine code of ours."""
    import execmem_kernel as em
    from execmem_kernel.execution.process import launcher
    from execmem_kernel.execution.trace import stepping_loop

    em.run("ret")
    stepping_loop.machine()
    launcher.launcher(at_once=True)


@pytest.fixture(scope="session", autouse=True)
def the_stop_button_is_there() -> None:
    """What a shell starts in the background ignores SIGINT, and Python leaves it at that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def programs_start_as_they_do_later() -> None:
    """The machine code that starts processes is there before any test counts mappings."""
    set_up_what_stays()


tidy: list[bool] = []
"""Not empty after a test that has been found to leave nothing: a collection takes longer than most tests."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    if "nothing_left" not in getattr(item, "fixturenames", ()):
        tidy.clear()


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fails a test that leaves a descriptor, an executable mapping or a process behind."""
    set_up_what_stays()
    if not tidy:
        gc.collect()  # else what an earlier test let go might be freed during this one
    tidy.clear()
    before = kernel.holdings()
    yield
    if kernel.holdings() != before:
        gc.collect()  # an interrupted run may hang on its own traceback until then
    assert kernel.holdings() == before
    assert before["writable and executable"] == []
    tidy.append(True)


@pytest.fixture
def bless(request: pytest.FixtureRequest) -> bool:
    """True where golden files are to be rewritten instead of compared."""
    return bool(request.config.getoption("--bless"))
