"""Resource limits are read from the process as it is now."""

from __future__ import annotations

import resource

from execmem_kernel.linux import limits as linux_limits


def test_limits_are_those_of_the_process() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = linux_limits.file_size_limit()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 40, hard))
    try:
        assert linux_limits.file_size_limit() == 1 << 40
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert linux_limits.file_size_limit() == before
    assert linux_limits.address_space_in_use() > 1 << 20


def test_an_unlimited_resource_has_no_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    assert linux_limits.hard_limit(resource.RLIMIT_CORE) == (hard if hard >= 0 else 2**64 - 1)
    assert soft <= hard or hard < 0
