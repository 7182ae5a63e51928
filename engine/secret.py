"""A secret that does not show itself: not in a repr, a log line, or a pickle."""

from hmac import compare_digest
from typing import NoReturn


class Secret:
    """Bytes that are read with `reveal` and printed as `Secret(...)`. Two compare in equal time."""

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def reveal(self) -> bytes:
        """The bytes themselves. Whoever calls this keeps them out of messages."""
        return self._content

    def __repr__(self) -> str:
        return "Secret(...)"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self._content, other._content)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        """Refuses to be pickled: a copy would lie in the clear."""
        raise TypeError("a secret is not written anywhere")
