"""Tells who asks: the person at this machine, or the owner of a token where others are let in."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

TOKEN_BYTES = 24


@dataclass(frozen=True)
class Access:
    """Knows the people who may decide.

    Attributes:
        alone: the person who needs no token, for only this machine reaches the server; empty: everybody needs one.
        tokens: of the others, by name.
        cookie: name of the cookie that holds a token; cookies of one machine are shared by all its ports.
    """

    alone: str = ""
    tokens: Mapping[str, str] = field(default_factory=dict)
    cookie: str = "cbir-review"

    def person(self, token: str) -> str | None:
        """Returns whose token this is, None where it is nobody's; the time that takes says nothing of the tokens."""
        if self.alone:
            return self.alone
        given = token.encode()
        owners = [name for name, own in self.tokens.items() if secrets.compare_digest(own.encode(), given)]
        return owners[0] if owners else None


def make_tokens(people: Sequence[str]) -> dict[str, str]:
    """Makes a token for each person."""
    return {person: secrets.token_urlsafe(TOKEN_BYTES) for person in people}
