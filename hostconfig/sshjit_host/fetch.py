"""The requests to the front end: ``GET /bundle``, and ``POST`` of what this host signed.

``bundle.py`` and ``keygen.py`` decide whether the answer may be believed. This file limits what a hostile front end
can cost: size, time, redirects.
"""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from . import strictjson
from .bundle import LARGEST, PROTOCOL
from .errors import BundleRefused, HostError, Unreachable
from .timed import Deadline, HttpHandler, HttpsHandler
from .version import version

PATIENCE = 10
"""Seconds until the front end must have sent something."""
DEADLINE = 60
"""Seconds until it must have sent everything, headers too."""
LONGEST_ANSWER = 2 * LARGEST
CHUNK = 64 * 1024
_TAG = re.compile(r'(?:W/)?"[!#-~]{1,190}"', re.ASCII)


@dataclass(frozen=True)
class Offer:
    """A bundle as the front end offers it, unverified, and its ``ETag`` (may be empty, or one that cannot be sent)."""

    sequence: int
    bundle: str
    signature: str
    etag: str


class _Status(Exception):
    """The front end answers with an error; ``text`` is what it tells people, and may be empty."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text


def entity_tag(text: str) -> str:
    """The ``ETag`` if it can be sent back, else an empty string.

    It must be a single tag (RFC 9110, 8.8.3): a list of tags would let the front end name bundles yet to come, which
    an honest one would then never send, and one that cannot be sent would end every later refresh.
    """
    return text if _TAG.fullmatch(text) else ""


def bundle(url: str, etag: str) -> Offer | None:
    """Ask for the bundle; ``None`` means that the one with this ``etag`` is still the newest.

    Where asking with the ``etag`` is refused, it is asked once more without it.
    Raises ``Unreachable`` if no bundle came, ``BundleRefused`` if what came is not one.
    """
    deadline = Deadline(PATIENCE, DEADLINE)
    try:
        try:
            return _ask(url, entity_tag(etag), deadline)
        except _Status as status:
            if not etag or not 400 <= status.code < 500 or status.code == http.client.UPGRADE_REQUIRED:
                raise
            return _ask(url, "", deadline)
    except _Status as status:
        raise Unreachable(status.text or f"{url}/bundle answers with status {status.code}") from None


def _ask(url: str, etag: str, deadline: Deadline) -> Offer | None:
    request = urllib.request.Request(url + "/bundle", headers={"User-Agent": f"ssh-jit-host/{version()}"})  # noqa: S310 - http(s) by config.py
    request.add_header("Accept", "application/json")
    request.add_header("Ssh-Jit-Version", str(PROTOCOL))
    if etag:
        request.add_header("If-None-Match", etag)
    try:
        with _opener(deadline).open(request, timeout=PATIENCE) as answer:
            body = _body(answer)
            tag = answer.headers.get("ETag", "")
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.client.NOT_MODIFIED and etag:
                return None
            text = _upgrade(error) if error.code == http.client.UPGRADE_REQUIRED else ""
        raise _Status(error.code, text) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise Unreachable(f"cannot reach {url}: {reason or type(error).__name__}") from None
    return _offer(body, tag)


def post(url: str, body: bytes) -> str:
    """Send JSON and return the text of the answer. Raises ``Unreachable``, with what the front end says."""
    request = urllib.request.Request(url, data=body, headers={"User-Agent": f"ssh-jit-host/{version()}"})  # noqa: S310 - http(s) by config.py
    request.add_header("Content-Type", "application/json")
    request.add_header("Accept", "application/json")
    request.add_header("Ssh-Jit-Version", str(PROTOCOL))
    try:
        with _opener(Deadline(PATIENCE, DEADLINE)).open(request, timeout=PATIENCE) as answer:
            return _text(answer, CHUNK).decode("utf-8")
    except urllib.error.HTTPError as error:
        with error:
            text = _upgrade(error)
        raise Unreachable(text or f"{url} answers with status {error.code}") from None
    except UnicodeDecodeError:
        raise Unreachable(f"{url} answers with something that is no text") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise Unreachable(f"cannot reach {url}: {reason or type(error).__name__}") from None


def _upgrade(error: urllib.error.HTTPError) -> str:
    """What the front end says beside an error's status; empty if that cannot be shown."""
    try:
        fields = strictjson.loads(_text(error, CHUNK).decode("utf-8"))["error"]
        text = f"{fields['message']}: {fields['hint']}" if fields["hint"] else f"{fields['message']}"
    except (HostError, OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return ""
    return text if text.isascii() and text.isprintable() and len(text) <= 400 else ""


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
