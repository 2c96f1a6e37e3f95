"""The arguments of a directive: each an expression, or a number that is known while reading."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.semantics.symbols import SymbolTable
from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.expression_parser import Parser
from execmem_kernel.assembly.syntax.expressions import Expression
from execmem_kernel.assembly.syntax.lines import Line
from execmem_kernel.assembly.syntax.statements import Statement
from execmem_kernel.assembly.syntax.tokens import Token


def arguments_of(statement: Statement) -> list[list[Token]]:
    """What follows the directive, split at its commas."""
    if not statement.tokens:
        return []
    arguments: list[list[Token]] = [[]]
    depth = 0
    for token in statement.tokens:
        if token.text in ("(", "[") and token.kind == "op":
            depth += 1
        elif token.text in (")", "]") and token.kind == "op":
            depth -= 1
        if token.text == "," and depth <= 0 and token.kind == "op":
            arguments.append([])
        else:
            arguments[-1].append(token)
    return arguments


class DirectiveArguments:
    """Reads values by the rules of the moment."""

    def __init__(self, symbols: SymbolTable, rules: DialectRules) -> None:
        self._symbols = symbols
        self.rules = rules
        """Whose: GNU's wherever the syntax is AT&T's."""

    def expression(self, tokens: Sequence[Token], statement: Statement) -> Expression:
        """The one expression that these tokens make.

        Raises:
            SourceError: They make none, or more than one.
        """
        if not tokens:
            start, end = statement.start, statement.tokens[-1].end if statement.tokens else statement.end
            for before, token in pairwise((None, *statement.tokens)):
                if token is not None and token.text == "," and (before is None or before.text == ","):
                    start, end = token.start, token.end
                    break
            else:
                if statement.tokens and statement.tokens[-1].text == ",":
                    start = statement.tokens[-1].start
            raise SourceError("ASM010", f"`{statement.name}` needs a value here.", start, end)
        parser = Parser(tokens, self.rules)
        tree = parser.expression()
        if parser.position < len(tokens):
            token = tokens[parser.position]
            raise SourceError(
                "ASM011", f"`{token.text}` cannot stand here.", token.start, token.end, "values are separated by commas"
            )
        return tree

    def number(self, tokens: Sequence[Token], statement: Statement, line: Line) -> int:
        """A number that is known at the time of reading.

        Args:
            tokens: The argument.
            statement: The directive.
            line: Where it stands.

        Raises:
            SourceError: It is no expression, or depends on something that comes later.
        """
        tree = self.expression(tokens, statement)
        try:
            return self._symbols.known_value(tree, line)
        except SourceError as error:
            if error.code == "ASM036":
                raise SourceError(error.code, error.message, tokens[0].start, tokens[-1].end, error.hint) from None
            raise
