"""What this host allows, found out by trying it, and what a manager therefore does."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from execmem_kernel.linux import limits as linux_limits
from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory import hooks
from execmem_kernel.memory.backends import BACKENDS
from execmem_kernel.memory.hooks import Witness
from execmem_kernel.memory.mapping import Backend, BackendName, Region, SystemCalls
from execmem_kernel.wording import format_size

WORKS = "works"
"""What the fields of `Capabilities` say of a way that is open."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What is possible on this host now, each with the reason where it is not."""

    backend: BackendName | None
    """What a new region is made of; None where no executable memory can be had at all."""
    reason: str
    """Why that one."""
    memory_files: str
    """Whether code can live in a memory file: "works", or what refuses it."""
    anonymous: str
    """Whether writable memory can be made executable afterwards: "works", or what refuses it."""
    noexec_policy: int | None
    """vm.memfd_noexec: 0, 1 or 2; None where the kernel has no such rule. None of them stops us."""
    address_space: int | None
    """RLIMIT_AS in bytes, None for no limit."""
    file_size: int | None
    """RLIMIT_FSIZE in bytes, None for no limit; it holds for memory files too."""
    open_files: int | None
    """RLIMIT_NOFILE: a region with pages of its own keeps one file open."""
    max_mappings: int | None
    """vm.max_map_count: a region with guards takes up to three."""
    mappings: int
    """How many this process has now."""
    ptrace: str
    """Whether a program in a process of its own can be watched from outside: "works", or what refuses it."""
    witness: Witness | None
    """What reports what a program did, which follows from that, and stands in outcomes too; None if none can run."""

    def __str__(self) -> str:
        return "\n".join(
            [
                f"backend         {self.backend or 'none'}: {self.reason}",
                f"memory files    {self.memory_files}",
                f"anonymous       {self.anonymous}",
                f"memfd_noexec    {'no such rule' if self.noexec_policy is None else self.noexec_policy}",
                f"address space   {_limit(self.address_space)}",
                f"file size       {_limit(self.file_size)}",
                f"open files      {'no limit' if self.open_files is None else f'{self.open_files} at most'}",
                f"mappings        {'no limit' if self.max_mappings is None else f'{self.max_mappings} at most'}",
                f"ptrace          {self.ptrace}: {_WITNESSES[self.witness]}",
            ]
        )


_WITNESSES: Mapping[Witness | None, str] = {
    "supervisor": "programs are watched from outside",
    "guest": "a program's own process tells what it did, and could lie: its outcomes say witness='guest'",
    None: "no program can be run in a process of its own",
}


def _watching() -> tuple[Witness | None, str]:
    try:
        return hooks.watching()
    except ImportError as error:  # a host that lets no library be loaded
        return None, f"cannot be tried: {error}"


def probe() -> Capabilities:
    """Try each way to have executable memory, with one page that is gone again at once, and to watch a program."""
    witness, ptrace = _watching()
    tried = {backend.name: _try(backend) for backend in BACKENDS}
    backend: BackendName | None = next((name for name, result in tried.items() if result == WORKS), None)
    reason = {
        "memfd": "written by pwrite, mapped read-execute only, frozen when sealed",
        "anonymous": f"no memory files ({tried['memfd']}), so writable until sealed and executable from then on",
        None: "this host allows no executable memory: look at seccomp and SELinux (execmem)",
    }[backend]
    return Capabilities(
        backend=backend,
        reason=reason,
        memory_files=tried["memfd"],
        anonymous=tried["anonymous"],
        noexec_policy=_setting("vm/memfd_noexec"),
        address_space=linux_limits.address_space_limit(),
        file_size=linux_limits.file_size_limit(),
        open_files=linux_limits.open_files_limit(),
        max_mappings=_setting("vm/max_map_count"),
        mappings=len(linux_memory.mappings()),
        ptrace=ptrace,
        witness=witness,
    )


def _try(backend: Backend) -> str:
    try:
        region = Region.map(
            linux_memory.PAGE_SIZE, "probe", (0,), linux_memory.PAGE_SIZE, backend, SystemCalls(), [], []
        )
        assert region is not None, "the kernel may choose the place"
        try:
            region.write(0, b"\xc3")
            region.freeze()
        finally:
            region.close()
    except OSError as error:
        return f"refused with {errno.errorcode.get(error.errno or 0, 'an error')} ({error.strerror or error})"
    return WORKS


def _setting(name: str) -> int | None:
    """A kernel setting that is one number, None where there is none. sysctl(8)."""
    try:
        return int(Path("/proc/sys", name).read_text())
    except OSError:
        return None


def _limit(value: int | None) -> str:
    return "no limit" if value is None else f"{format_size(value)} at most"
