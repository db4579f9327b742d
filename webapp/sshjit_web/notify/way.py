"""What a way out is given and what it promises, apart from the libraries that the ways need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """What is delivered: for people a title and a text, for programs a body."""

    id: str
    """The same each time that it is tried."""
    recipient: str
    """A mail address; empty for a channel as such."""
    mail: tuple[str, str]
    chat: tuple[str, str]
    body: str


class Way(Protocol):
    """A way out."""

    def send(self, message: Message, now: int) -> None:
        """Delivers, or raises ``Failed``: ``not_delivered``, or ``gone`` when it is of no use to try again."""
