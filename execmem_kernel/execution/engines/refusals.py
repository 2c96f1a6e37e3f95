"""What a host refuses in the middle of a run, as one of our errors: no raw OSError comes out of an engine."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from execmem_kernel.errors import EngineUnavailableError, ExecmemError, WorkerLostError
from execmem_kernel.execution.process.stops import TAKEN

_SENTENCES: Mapping[int, str] = MappingProxyType(
    {
        errno.EMFILE: "this process may open no more files (ulimit -n), and a run needs some",
        errno.ENFILE: "this host has no room for more open files",
        errno.EFBIG: "this process may write no file that is large enough (ulimit -f), not even one in memory",
        errno.ENOMEM: "this process gets no more memory (ulimit -v)",
        errno.ENOSPC: "this host has no room for files in memory",
        errno.EAGAIN: "no process can be started for the program: this user may have no more (ulimit -u)",
    }
)
"""errno -> what it means for a run."""


@contextlib.contextmanager
def refusals_named() -> Iterator[None]:
    """Name what the host refuses while the block runs.

    Raises:
        EngineUnavailableError: The host refused a system call that the run needs.
        WorkerLostError: The program's process was taken away.
    """
    try:
        yield
    except (ChildProcessError, ProcessLookupError) as error:
        raise WorkerLostError(TAKEN) from error
    except OSError as error:
        # A TimeoutError of the caller's own, raised by a handler, is none of the kernel's and has no number.
        if isinstance(error, ExecmemError) or error.errno is None:
            raise
        said = _SENTENCES.get(error.errno, f"this host refuses what running a program apart needs: {error.strerror}")
        raise EngineUnavailableError(said) from error
