"""What Granian hands to an RSGI application, as far as we use it (RSGI 1.6)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol


class Headers(Protocol):
    """A request's headers, by their names in small letters; what is not ASCII is left out."""

    def get(self, key: str, default: Any = None) -> Any:
        """The first value of a header."""

    def get_all(self, key: str) -> list[str]:
        """All values of a header, in their order."""

    def items(self) -> list[tuple[str, str]]:
        """All of them, also those that are there twice."""

    def __contains__(self, key: str) -> bool:
        """Whether a header is there."""


class Scope(Protocol):
    """A request without its body."""

    @property
    def http_version(self) -> str:
        """``1`` or ``1.1``."""

    @property
    def server(self) -> str:
        """Our address and port."""

    @property
    def client(self) -> str:
        """The peer's address and port."""

    @property
    def scheme(self) -> str:
        """``http`` here: a proxy ends TLS."""

    @property
    def method(self) -> str:
        """In capital letters."""

    @property
    def path(self) -> str:
        """Decoded, without the query."""

    @property
    def query_string(self) -> str:
        """As it came."""

    @property
    def authority(self) -> str | None:
        """The host of an address that was sent whole."""

    @property
    def headers(self) -> Headers:
        """The headers."""


class Gone(Protocol):
    """A future of Granian's own: it ends when the connection does."""

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Calls ``callback`` on the loop when it has ended."""

    def cancel(self) -> bool:
        """Waits no longer."""


class HTTPProtocol(Protocol):
    """One request's way back. The methods that answer may be called from any thread, and only the first counts."""

    def __call__(self) -> Awaitable[bytes]:
        """The whole body; raises ``ProtocolError`` or ``ProtocolClosed`` when the connection ended in it."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in parts. An empty part stands for the end, but also for a connection that broke."""

    def client_disconnect(self) -> Gone:
        """Ends with the connection."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answers."""
