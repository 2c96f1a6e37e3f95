"""Interrupt every verb of the manager at every instruction of its code, once, and twice at some distances.

    python scripts/interrupt_everywhere.py [--step N] [--second D ...] [--case NAME]

Prints for each verb how many places were tried, and what was lost where; ends with 1 if anything was.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.memory.interrupting import CASES, sweep


class TimeIsUp(Exception):
    """What an alarm's handler raises."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--step", type=int, default=1, help="every so-manyth instruction")
    parser.add_argument("--second", type=int, nargs="*", default=[], help="instructions from the first to the second")
    parser.add_argument("--case", default="", help="only verbs with this in their names")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None  # Python prints and drops an interrupt in a finalizer
    tried_in_all = failed_in_all = 0
    for error in (KeyboardInterrupt, TimeIsUp):
        for case in CASES:
            if options.case in case.name:
                tried, failures = sweep(case, error, options.step, tuple(options.second))
                tried_in_all += tried
                failed_in_all += len(failures)
                print(f"{error.__name__:18}{case.name:28}{tried:>7,} places, {len(failures)} failures", flush=True)
                for failure in failures[:10]:
                    print(f"    {failure}")
    print(f"{tried_in_all:,} places, {failed_in_all:,} failures")
    return int(failed_in_all > 0)


if __name__ == "__main__":
    sys.exit(main())
