"""The protocol of an engine: a `Call` in, an `Outcome` out."""

from __future__ import annotations

from typing import Protocol

from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.contract.outcome import Outcome


class Engine(Protocol):
    """Runs programs; every engine gives the same outcome for the same call."""

    def run(self, call: Call) -> Outcome:
        """Run it to its end or to a limit.

        Raises:
            EngineUnavailableError: The host lacks what this engine needs.
            WorkerLostError: The runner itself broke.
        """
        ...
