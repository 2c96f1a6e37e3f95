"""Which names a program may declare `extern`: those that the C library has and a cell can use."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from types import MappingProxyType

from execmem_kernel.assembly.syntax.lines import QUOTED_OR_COMMENT, lines_of
from execmem_kernel.errors import AssemblyError
from execmem_kernel.execution.libc.constants import STT_OBJECT, STT_TLS, TABLE
from execmem_kernel.program import externs
from execmem_kernel.program.diagnostic import Diagnostic, Span
from execmem_kernel.program.program import Program

_REFUSED: Mapping[str, str] = MappingProxyType(
    {
        name: reason
        for reason, names in {
            "a program in a cell has no files": (
                "fopen fopen64 freopen fdopen tmpfile open open64 openat creat opendir remove unlink rename mkdir "
                "rmdir stat lstat chdir mkstemp dup dup2 pipe truncate link symlink chmod mmap64 shm_open"
            ),
            "a program in a cell is one process and can start no other": (
                "system popen fork vfork clone execl execlp execle execv execvp execve execvpe fexecve posix_spawn "
                "posix_spawnp daemon wait waitpid"
            ),
            "a program in a cell has one thread": "pthread_create thrd_create",
            "a program in a cell has no network": "socket connect accept bind listen getaddrinfo gethostbyname",
            "a program in a cell loads no other code": "dlopen dlmopen mprotect",
            "a program in a cell has no signal handlers": "signal sigaction bsd_signal sysv_signal alarm setitimer",
        }.items()
        for name in names.split()
    }
)
"""Functions that exist and could do nothing in a cell but fail: said when they are declared."""

_INSTEAD: Mapping[str, str] = MappingProxyType({"atexit": "on_exit"})
"""What a linker would take from a file of its own, and what is in the library."""

_DECLARES = re.compile(r"\s*\[?\.?(?:extern|extrn|externdef|globa?l)\b", re.IGNORECASE)
"""How a line begins that declares a name."""
_REMARK = re.compile(r"\s*(?:#|;|//)")
"""How a line begins that is a comment in every dialect."""
_OF_WINDOWS = re.compile(r"(?:__imp_)?[A-Z][a-z]+[A-Z]\w*")
"""A name in the style of Windows, `ExitProcess`: the C library of Linux has none such."""


def check_declarations(program: Program, symbols: Mapping[str, tuple[int, int]]) -> None:
    """Refuse every name that cannot be called, each at the line that declares it.

    Args:
        program: What declares them.
        symbols: What the C library defines: name to type (STT_...) and size.

    Raises:
        AssemblyError: There are such names.
        ValueError: The program's code is too far away for its stubs to reach the library.
    """
    found = (_objection(name, symbols) for name in program.externs)
    wrong = [
        _diagnostic(program, name, *objection)
        for name, objection in zip(program.externs, found, strict=True)
        if objection is not None
    ]
    if wrong:
        raise AssemblyError(sorted(wrong, key=lambda diagnostic: (diagnostic.line, diagnostic.column)))
    distance = max(abs(address - TABLE) for address in (*program.externs.values(), program.address))
    if distance >= 1 << 31:
        raise ValueError("a program that calls the C library has its code below 2 GiB; leave out address=")


def _objection(name: str, symbols: Mapping[str, tuple[int, int]]) -> tuple[str, str, str] | None:
    """Why a name cannot be declared: code, message and hint; None where it can."""
    kind = symbols.get(name, (0, 0))[0]
    if name in _REFUSED:
        return "EXT002", f"`{name}` cannot be called: {_REFUSED[name]}.", ""
    if kind == 0:
        near = difflib.get_close_matches(_INSTEAD.get(name, name), symbols, n=1, cutoff=0.75)
        if name.startswith("_") and name.lstrip("_") in symbols:
            near = [name.lstrip("_")]
        hint = f"did you mean `{near[0]}`?" if near else "a function of your own is a label in this cell: no extern"
        if _OF_WINDOWS.fullmatch(name):
            hint = (
                "this is a name of Windows: a program in a cell is one of Linux, ends with `ret` and writes with `puts`"
            )
        return "EXT001", f"The C library has no `{name}`.", hint
    if kind in (STT_OBJECT, STT_TLS) and name not in externs.VARIABLES:
        hint = "call `__errno_location`: it returns its address" if name == "errno" else ""
        offered = ", ".join(sorted(externs.VARIABLES))
        return "EXT003", f"`{name}` is a variable of the C library; those to be had are {offered}.", hint
    return None


def _diagnostic(program: Program, name: str, code: str, message: str, hint: str) -> Diagnostic:
    """The error where the name is declared; where nothing declares it, at its first use outside of comments."""
    word = re.compile(rf"(?<![\w.@$?]){re.escape(name)}(?![\w.$?])")
    places: list[tuple[int, int, re.Match[str], str]] = []
    for line in lines_of(program.source):
        bare = QUOTED_OR_COMMENT.sub(lambda found: " " * len(found[0]), line.text)
        found = word.search(bare)
        if found is not None:
            places.append((0 if _DECLARES.match(bare) else 1, line.number, found, line.source))
        elif (found := word.search(line.text)) is not None and not _REMARK.match(line.text):
            places.append((2, line.number, found, line.source))  # behind a semicolon, which may separate statements
    if not places:
        return Diagnostic("error", code, message, Span(1, 1, 2), "", hint)
    _, number, found, source = min(places, key=lambda place: place[:2])
    return Diagnostic("error", code, message, Span(number, found.start() + 1, found.end() + 1), source, hint)
