"""The other directives: messages of the source, the end of a macro, what is refused, ignored or misplaced."""

from __future__ import annotations

from execmem_kernel.assembly.preprocessor.arguments import without_comment
from execmem_kernel.assembly.preprocessor.expansion import Expansion, Handler
from execmem_kernel.assembly.preprocessor.model import error_in
from execmem_kernel.assembly.syntax.lines import Line


def _error(_expansion: Expansion, line: Line, _word: str, rest: str) -> None:
    raise error_in(line, "ASM063", f"The source says: {_message(rest)}")


def _warning(expansion: Expansion, line: Line, _word: str, rest: str) -> None:
    expansion.host.note_warning(line, _message(rest))


def _message(rest: str) -> str:
    return rest.strip().strip("\"'")


def _exit_macro(expansion: Expansion, line: Line, word: str, _rest: str) -> None:
    expansion.leave("macro", f"`{word}` stands outside of a macro.", line)


def _remove_macro(expansion: Expansion, _line: Line, _word: str, rest: str) -> None:
    for name in without_comment(rest).split()[:1]:
        expansion.macros.pop(name, None)
        expansion.macros.pop(name.lower(), None)


def _stray(_expansion: Expansion, line: Line, word: str, _rest: str) -> None:
    raise error_in(line, "ASM052", f"`{word}` does not belong to anything before it.")


def _ignore(_expansion: Expansion, _line: Line, _word: str, _rest: str) -> None:
    """`.altmacro` and the like change nothing that is done here."""


def _refuse_unsupported(_expansion: Expansion, line: Line, word: str, _rest: str) -> None:
    raise error_in(
        line,
        "ASM059",
        f"`{word}` is refused: this part of NASM's preprocessor is not here.",
        "%define, %assign, %macro, %rep and %if are; `%%name` is a label of each call's own",
    )


def _refuse_files(_expansion: Expansion, line: Line, word: str, _rest: str) -> None:
    raise error_in(
        line, "ASM059", f"`{word}` is refused.", "A cell reads no files: paste what is needed into the cell."
    )


DIRECTIVES: dict[str, Handler] = {
    **dict.fromkeys(("%error", "%fatal"), _error),
    "%warning": _warning,
    **dict.fromkeys((".exitm", "%exitmacro"), _exit_macro),
    **dict.fromkeys((".purgem", "%unmacro"), _remove_macro),
    **dict.fromkeys((".endm", ".endmacro", ".endr", "%endmacro", "%endm", "%endrep"), _stray),
    **dict.fromkeys((".altmacro", ".noaltmacro", "%use", "%pragma", "%line", "%clear"), _ignore),
    **dict.fromkeys(("%include", "%pathsearch", "%depend"), _refuse_files),
    **dict.fromkeys(
        (
            "%push", "%pop", "%repl", "%arg", "%local", "%stacksize", "%defstr", "%idefstr", "%deftok", "%defalias",
            "%strcat", "%substr", "%rmacro", "%ifctx", "%iftoken", "%ifenv",
        ),
        _refuse_unsupported,
    ),
}  # fmt: skip
