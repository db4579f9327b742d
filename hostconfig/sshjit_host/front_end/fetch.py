"""The requests to the front end: ``GET /bundle``, and ``POST`` of what this host signed.

``formats/bundle.py`` and ``openssh/keygen.py`` decide whether the answer may be believed. This file limits what a
hostile front end can cost: size, time, redirects.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sshjit_host.errors import BundleRefused, HostError, Unreachable
from sshjit_host.formats import strictjson
from sshjit_host.formats.bundle import LARGEST, PROTOCOL
from sshjit_host.front_end.timed import Deadline, HttpHandler, HttpsHandler
from sshjit_host.version import version

PATIENCE = 10
"""Seconds until the front end must have sent something."""
DEADLINE = 60
"""Seconds until it must have sent everything, headers too."""
WAIT = 50
"""Seconds that the front end may wait for a newer bundle before it answers: it has these in addition."""
CUT = 5
"""A question that may wait, and fails after so many seconds, was cut by something on the way, which is no failure."""
GATEWAYS = (http.client.REQUEST_TIMEOUT, http.client.BAD_GATEWAY, http.client.GATEWAY_TIMEOUT)
"""What proxies say when they cut."""
LONGEST_ANSWER = 2 * LARGEST
CHUNK = 64 * 1024
_CODE = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
_TAG = re.compile(r'(?:W/)?"[!#-~]{1,190}"', re.ASCII)


@dataclass(frozen=True)
class Offer:
    """A bundle as the front end offers it, unverified, and its ``ETag`` (may be empty, or one that cannot be sent)."""

    sequence: int
    bundle: str
    signature: str
    etag: str


@dataclass(frozen=True)
class Poll:
    """What came of asking: an offer, or ``None`` where the bundle that is held is still the newest.

    ``waits``: the front end knows polls that wait, and let this one. ``cut``: the connection was cut meanwhile, and the
    answer is of a second question, which did not wait.
    """

    offer: Offer | None
    waits: bool = False
    cut: bool = False


class _Status(Exception):
    """The front end answers with an error; ``text`` is what it tells people, and may be empty."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text


class Refusal(Unreachable):
    """The front end, or the CA behind it, refuses what was sent: ``code`` is the stable name of why."""

    exit_code = 4

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def entity_tag(text: str) -> str:
    """The ``ETag`` if it can be sent back, else an empty string.

    It must be a single tag (RFC 9110, 8.8.3): a list of tags would let the front end name bundles yet to come, which
    an honest one would then never send, and one that cannot be sent would end every later refresh.
    """
    return text if _TAG.fullmatch(text) else ""


def bundle(url: str, etag: str, wait: int = 0) -> Poll:
    """Ask for the bundle; the one with this ``etag`` is held. The answer may take ``wait`` seconds.

    Where asking with the ``etag`` is refused, it is asked once more without it; where the connection was cut while the
    front end waited, without waiting. Raises ``Unreachable`` if no bundle came, ``BundleRefused`` if what came is not
    one.
    """
    began = time.monotonic()
    try:
        return _bundle(url, etag, wait)
    except (_Status, Unreachable) as error:
        cut = not isinstance(error, _Status) or error.code in GATEWAYS
        if not wait or not cut or time.monotonic() - began < CUT:
            raise _unreachable(url, error) from None
    try:
        return dataclasses.replace(_bundle(url, etag, 0), cut=True, waits=True)
    except _Status as status:
        raise _unreachable(url, status) from None


def _unreachable(url: str, error: _Status | Unreachable) -> Unreachable:
    if isinstance(error, Unreachable):
        return error
    return Unreachable(error.text or f"{url}/bundle answers with status {error.code}")


def _bundle(url: str, etag: str, wait: int) -> Poll:
    deadline = Deadline(PATIENCE + wait, DEADLINE + wait)
    try:
        return _ask(url, entity_tag(etag), deadline, wait)
    except _Status as status:
        if not etag or not 400 <= status.code < 500 or status.code in (*GATEWAYS, http.client.UPGRADE_REQUIRED):
            raise
        return _ask(url, "", deadline, wait)


def _ask(url: str, etag: str, deadline: Deadline, wait: int) -> Poll:
    request = _request(f"{url}/bundle")
    if etag:
        request.add_header("If-None-Match", etag)
    if wait:
        request.add_header("Prefer", f"wait={wait}")
    try:
        with _answer(url, request, deadline) as answer:
            body = _body(answer)
            tag, waits = answer.headers.get("ETag", ""), _waits(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.client.NOT_MODIFIED and etag:
                return Poll(None, _waits(error.headers))
            text = _said(error)[1] if error.code == http.client.UPGRADE_REQUIRED else ""
        raise _Status(error.code, text) from None
    return Poll(_offer(body, tag), waits)


def _waits(headers: Any) -> bool:
    """Whether the front end did what ``Prefer`` asked for (RFC 7240, section 3)."""
    return str(headers.get("Preference-Applied", "")).strip().lower().startswith("wait")


def post(url: str, place: str, fields: dict[str, Any]) -> str:
    """Send a host's message to a place of the front end at ``url``, below ``/api/v1/host``; the text of the answer.

    Raises ``Refusal`` or ``Unreachable``, with what the front end says.
    """
    whole = f"{url}/api/v1/host/{place}"
    request = _request(whole, json.dumps(fields).encode("ascii"))
    request.add_header("Content-Type", "application/json")
    try:
        with _answer(url, request, Deadline(PATIENCE, DEADLINE)) as answer:
            return _text(answer, CHUNK).decode("utf-8")
    except urllib.error.HTTPError as error:
        with error:
            code, text = _said(error)
        if code and text:
            raise Refusal(text, code) from None
        raise Unreachable(text or f"{whole} answers with status {error.code}") from None
    except UnicodeDecodeError:
        raise Unreachable(f"{whole} answers with something that is no text") from None


def _request(url: str, body: bytes | None = None) -> urllib.request.Request:
    headers = {"User-Agent": f"ssh-jit-host/{version()}", "Accept": "application/json"}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - http(s) by config.py
    request.add_header("Ssh-Jit-Version", str(PROTOCOL))
    return request


@contextlib.contextmanager
def _answer(url: str, request: urllib.request.Request, deadline: Deadline) -> Iterator[Any]:
    """The answer of the front end at ``url``, to be read within the block.

    Raises ``Unreachable``, and ``HTTPError`` for the status of an error.
    """
    try:
        with _opener(deadline).open(request, timeout=PATIENCE) as answer:
            yield answer
    except urllib.error.HTTPError:
        raise
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise Unreachable(f"cannot reach {url}: {reason or type(error).__name__}") from None


def _said(error: urllib.error.HTTPError) -> tuple[str, str]:
    """The code and the words beside an error's status; empty where they are missing or cannot be shown."""
    try:
        fields = strictjson.loads(_text(error, CHUNK).decode("utf-8"))["error"]
        text = f"{fields['message']}: {fields['hint']}" if fields["hint"] else f"{fields['message']}"
        code = str(fields.get("code", ""))
    except (HostError, OSError, http.client.HTTPException, ValueError, LookupError, TypeError, AttributeError):
        return "", ""
    shown = text if text.isascii() and text.isprintable() and len(text) <= 400 else ""
    return (code if _CODE.fullmatch(code) else ""), shown


def _opener(deadline: Deadline) -> urllib.request.OpenerDirector:
    """Speaks http and https, through the environment's proxy, and follows no redirect: the address is configured."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        HttpHandler(deadline),
        HttpsHandler(deadline),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _body(answer: http.client.HTTPResponse) -> bytes:
    if answer.status != http.client.OK:
        raise Unreachable(f"the front end answers with status {answer.status}")
    body = _text(answer, LONGEST_ANSWER)
    if answer.length:
        raise Unreachable("the front end's answer is cut off")
    return body


def _text(answer: Any, longest: int) -> bytes:
    """The text of an answer (``http.client.HTTPResponse``, or around one), however slowly it comes."""
    body = bytearray()
    while chunk := answer.read1(CHUNK):
        body += chunk
        if len(body) > longest:
            raise BundleRefused("the front end's answer is too long")
    return bytes(body)


def _offer(body: bytes, etag: str) -> Offer:
    try:
        fields = strictjson.loads(body.decode("utf-8"))
        strictjson.only(fields, required=frozenset(("sequence", "bundle", "signature")), optional=frozenset(fields))
        return Offer(
            sequence=strictjson.typed(fields, "sequence", int),
            bundle=strictjson.typed(fields, "bundle", str),
            signature=strictjson.typed(fields, "signature", str),
            etag=etag,
        )
    except ValueError as error:
        raise BundleRefused(f"the front end's answer is not a bundle: {error}") from None
