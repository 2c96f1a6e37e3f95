"""The lock of the managers: `with` takes it so that no interrupt can leave it taken."""

from __future__ import annotations

import _thread
import contextlib
import sys
import threading
from typing import Any

if sys.version_info >= (3, 14):
    # From this version on, `with` calls `__enter__` by an instruction that looks for interrupts when the call is over:
    # the lock would be taken for ever. `__exit__` is in C, and an interrupt comes after it.
    class Lock(_thread.RLock):
        """A lock for one thread, which knows whose it is: so what was taken in vain can be given back."""

        def __enter__(self) -> Any:
            try:
                return self.acquire()
            except BaseException:
                with contextlib.suppress(RuntimeError):  # it was interrupted before it was taken
                    self.release()
                raise

else:
    Lock = threading.Lock
