"""What keeps a handle alive, in words: a search from variables, `Out`, tracebacks and running calls."""

from __future__ import annotations

import gc
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from types import FrameType, FunctionType, ModuleType, TracebackType

from execmem_kernel.memory import callsites
from execmem_kernel.memory.handle import ExecutableMemory

_DEPTH, _CALL_DEPTH = 10, 3
"""References followed from a variable, and from a variable of a call."""
_OBJECTS = 20_000
"""Objects looked at from one root, at most."""
_OBJECTS_OF_MODULES = 200_000
"""Objects looked at from all variables of the user's modules together, at most: a big program has thousands of them."""
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def holders(
    handles: Iterable[ExecutableMemory], namespace: Mapping[str, object], opaque: Iterable[object]
) -> dict[int, tuple[str, ...]]:
    """What keeps each handle alive, in words, by the handle's id.

    The search goes down from the roots that a reader can name: variables, `Out[n]`, the last traceback, running
    calls; through containers, closures and attributes, a few levels deep.

    Args:
        handles: What to look for.
        namespace: The user's variables.
        opaque: Objects not to look into: they know every handle, and a reference to one of them keeps none alive.
    """
    closed = {id(namespace), *map(id, opaque)}
    by_number = {id(handle): handle for handle in handles}
    found: dict[int, dict[str, None]] = {number: {} for number in by_number}
    if found:
        for label, root, depth in _roots(namespace):
            for number in _reached(root, set(found), depth, set(closed), _OBJECTS):
                found[number][label] = None
    nameless = {number for number, labels in found.items() if not labels}
    if nameless:
        seen = set(closed)  # one name is enough here, so that nothing is looked at twice
        for label, root in _second_names(namespace):
            for number in _reached(root, nameless, _DEPTH, seen, _OBJECTS_OF_MODULES):
                found[number][label] = None
    return {number: tuple(labels) or (_without_a_name(by_number[number]),) for number, labels in found.items()}


_SHELL_NAMES = frozenset(("In", "exit", "get_ipython", "open", "quit"))
"""What IPython itself puts among the variables: the way from them to its own tables is no reference of the user's."""


def _roots(namespace: Mapping[str, object]) -> Iterator[tuple[str, object, int]]:
    """Where to look, and how deep: less from a call, whose variables lead to what runs the cell as well."""
    out = namespace.get("Out")
    for name, value in list(namespace.items()):
        if not name.startswith("_") and value is not out and name not in _SHELL_NAMES:
            yield f"variable {name}", value, _DEPTH
    if isinstance(out, dict):
        for number, value in list(out.items()):
            yield f"Out[{number}]", value, _DEPTH
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    trace: TracebackType | None = getattr(error, "__traceback__", None) or getattr(sys, "last_traceback", None)
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        if frame.f_locals is not frame.f_globals:
            yield f"a traceback, in {frame.f_code.co_name}", dict(frame.f_locals), _CALL_DEPTH
    for running in list(sys._current_frames().values()):
        each: FrameType | None = running
        while each is not None:
            if each.f_locals is not each.f_globals and not callsites.is_own_code(each.f_code):
                yield f"a running call of {each.f_code.co_name}", dict(each.f_locals), _CALL_DEPTH
            each = each.f_back
        del running  # this very frame is one of them, and would keep itself alive, with the traceback


def _second_names(namespace: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Where to look for what has no better name: `_`, `_7`, and the variables of the user's own modules."""
    for name, value in list(namespace.items()):
        if name.startswith("_"):
            yield f"variable {name}", value
    for title, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) and vars(module) is not namespace and _is_users(module):
            for name, value in list(vars(module).items()):
                if not name.startswith("__"):  # the importer's: its loader leads to everything
                    yield f"variable {title}.{name}", value


def _reached(root: object, wanted: set[int], depth: int, seen: set[int], most: int) -> set[int]:
    """Which of the wanted objects can be got at from a root, without looking into those that have been seen.

    Args:
        root: Where to begin.
        wanted: Ids of what to look for.
        depth: References followed, one after the other.
        seen: Ids of what has been looked into; grows.
        most: How many may be in `seen`.
    """
    hits: set[int] = set()
    level = [root]
    for _ in range(depth):
        following: list[object] = []
        for each in level:
            if id(each) in wanted:
                hits.add(id(each))
            elif (gc.is_tracked(each) or _is_array_of_objects(each)) and id(each) not in seen and len(seen) < most:
                seen.add(id(each))
                following.extend(_inside(each))
        level = following
    return hits


def _inside(each: object) -> list[object]:
    """What an object holds of its own: not its class, not the globals of its module."""
    if isinstance(each, type):
        module = sys.modules.get(each.__module__)
        return list(vars(each).values()) if module is None or _is_users(module) else []
    if type(each) is ModuleType:
        return list(vars(each).values()) if _is_users(each) and each.__name__ != "__main__" else []
    if isinstance(each, FunctionType):
        defaults = [*(each.__defaults__ or ()), *(each.__kwdefaults__ or {}).values()]
        return [*(each.__closure__ or ()), *defaults, *vars(each).values()]
    if isinstance(each, FrameType):
        return [] if each.f_locals is each.f_globals else list(each.f_locals.values())
    if _is_array_of_objects(each):
        return list(each.ravel().tolist())  # type: ignore[attr-defined]
    return gc.get_referents(each)


def _is_users(module: ModuleType) -> bool:
    """Whether a module is the user's own: not installed, not the interpreter's, not ours."""
    file = getattr(module, "__file__", None)
    if file is None:
        return module.__name__ == "__main__" or module.__name__ not in sys.modules
    return not file.startswith(_INSTALLED) and not callsites.is_own_file(file)


def _is_array_of_objects(each: object) -> bool:
    """Whether something is an array of numpy's that holds Python objects, which the garbage collector knows not of."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(each, numpy.ndarray) and each.dtype.hasobject


def _without_a_name(handle: ExecutableMemory) -> str:
    """What to say of a handle that no search has come to."""
    # A frozen object (gc.freeze) is no referrer of anything, and an object of C may not tell what it holds.
    searched = gc.get_freeze_count() == 0 and any(type(each) is not list for each in gc.get_referrers(handle))
    return "something without a name" if searched else "something that could not be searched"
