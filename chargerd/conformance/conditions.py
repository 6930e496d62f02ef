"""The condition under which a certification case applies: features joined by `and`, `or`, `not` and brackets.

C-10.3 and (C-52 or not C-10.2)
"""

import re
from collections.abc import Callable, Iterator

TOKEN = re.compile(r"\s*([()]|[A-Za-z][\w./-]*)")
WORDS = frozenset({"and", "or", "not", "(", ")"})


def codes(condition: str) -> list[str]:
    """The features that a condition is about, in their order. Raises ValueError for what is no condition."""
    return list(dict.fromkeys(token for token in _tokens(condition) if token not in WORDS))


def holds(condition: str, declared: Callable[[str], bool]) -> bool:
    """Whether the condition holds where `declared` says which features there are; an empty one does.

    Raises ValueError for what is no condition.
    """
    if not condition.strip():
        return True
    reader = _Reader(list(_tokens(condition)), declared)
    result = reader.either()
    if reader.here is not None:
        raise ValueError(f"{condition!r}: {reader.here!r} is not expected there")
    return result


def _tokens(condition: str) -> Iterator[str]:
    at = 0
    while condition[at:].strip():
        match = TOKEN.match(condition, at)
        if match is None:
            raise ValueError(f"{condition!r}: {condition[at:].strip()!r} is no feature")
        at = match.end()
        yield match[1]


class _Reader:
    """Reads a condition from left to right. Every part is read, whatever the parts before it gave."""

    def __init__(self, tokens: list[str], declared: Callable[[str], bool]) -> None:
        self._tokens = tokens
        self._declared = declared

    @property
    def here(self) -> str | None:
        """The next token; None: the end."""
        return self._tokens[0] if self._tokens else None

    def either(self) -> bool:
        """One part, or several with `or` between them."""
        result = self._both()
        while self._take("or"):
            result = self._both() or result
        return result

    def _both(self) -> bool:
        result = self._one()
        while self._take("and"):
            result = self._one() and result
        return result

    def _one(self) -> bool:
        if self._take("not"):
            return not self._one()
        if self._take("("):
            result = self.either()
            if not self._take(")"):
                raise ValueError("a bracket is not closed")
            return result
        if self.here is None or self.here in WORDS:
            raise ValueError(f"a feature is missing before {self.here or 'the end'!r}")
        return self._declared(self._tokens.pop(0))

    def _take(self, word: str) -> bool:
        if self.here != word:
            return False
        self._tokens.pop(0)
        return True
