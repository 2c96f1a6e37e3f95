"""The state of parsing one line: its tokens, how far they have been read, and the labels met on the way."""

from __future__ import annotations

from dataclasses import dataclass, field

from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.statements import LabelDefinition
from execmem_kernel.assembly.syntax.tokens import Token
from execmem_kernel.assembly.syntax.words import Syntax


@dataclass(slots=True)
class Cursor:
    """Where a line has been read to. Labels are kept here, so that an error behind them leaves them standing."""

    tokens: list[Token]
    syntax: Syntax
    rules: DialectRules
    labels: list[LabelDefinition] = field(default_factory=list)
    position: int = 0
    """The index of the next token."""

    def peek(self, ahead: int = 0) -> Token | None:
        """The next token, or one further on; None behind the end of the line."""
        index = self.position + ahead
        return self.tokens[index] if index < len(self.tokens) else None

    def rest(self) -> list[Token]:
        """The tokens that have not been read."""
        return self.tokens[self.position :]

    def add_label(self, token: Token, *, colon: bool = True) -> None:
        """Take a token for a label."""
        self.labels.append(LabelDefinition(token.text, token.start, token.end, colon))
