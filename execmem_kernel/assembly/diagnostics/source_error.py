"""The exception for an error in one line of source, raised wherever text is read."""

from __future__ import annotations


class SourceError(Exception):
    """Something wrong in one line: code, message, 0-based columns, hint; a `Diagnostic` once the line is known.

    It never changes: lines that are alike are read once, so cells that have one in common share what is wrong in it.
    """

    __slots__ = ("code", "end", "forms", "hint", "message", "start")

    code: str
    message: str
    start: int
    end: int
    hint: str
    forms: tuple[str, ...]

    def __init__(
        self, code: str, message: str, start: int, end: int, hint: str = "", forms: tuple[str, ...] = ()
    ) -> None:
        super().__init__(code, message, start, end, hint, forms)
        put = object.__setattr__
        put(self, "code", code)
        put(self, "message", message)
        put(self, "start", start)
        put(self, "end", end)
        put(self, "hint", hint)
        put(self, "forms", forms)

    def __setattr__(self, name: str, value: object) -> None:
        # What Python itself notes down while an exception travels has such names: __traceback__, __notes__.
        if not name.startswith("__"):
            raise AttributeError(f"an error is shared by all who read the line: its {name} cannot change")
        super().__setattr__(name, value)

    def within(self, start: int, end: int) -> SourceError:
        """The same error, between these columns where it has none of its own."""
        return self if self.start < self.end else SourceError(self.code, self.message, start, end, self.hint)

    def with_hint(self, hint: str) -> SourceError:
        """The same error with other advice."""
        return SourceError(self.code, self.message, self.start, self.end, hint, self.forms)
