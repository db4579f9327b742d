"""How it is written down where a private key lives. No reference holds a secret; it says where the secret is read.

``file:/path``                             an OpenSSH private key file, mode 0600
``file:/path?passphrase=SOURCE``           the same, encrypted
``agent:SHA256:…``                         a key of the ssh-agent that the CA was told of
``agent:SHA256:…?socket=/path``            a key of the ssh-agent at this socket
``pkcs11:token=…;object=…?module-path=/…&pin-source=SOURCE``   a key on a token (RFC 7512); ``id=`` chooses as well,
                                           and ``serial``, ``manufacturer`` and ``model`` do, as ``p11tool`` prints them
``recovery:ssh-ed25519%20AAAA…``            the recovery key's public half; its private half is in a safe

A ``SOURCE`` is an absolute path, or a name without a slash: a systemd credential.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, unquote_to_bytes

from sshjit.errors import Invalid

MAX_LENGTH = 1000
FILLING = " \0"
"""What fills up the fields of a token."""
_RECOVERY = "recovery"
_PRINTABLE = re.compile(r"[!-~]+")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_CREDENTIAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}")
_EXAMPLES = "file:/etc/ssh-jit/key, agent:SHA256:…, or pkcs11:token=…;object=…?module-path=…&pin-source=…"


@dataclass(frozen=True, slots=True)
class File:
    """A key in a file; ``passphrase`` is the source of its passphrase."""

    path: Path
    passphrase: str | None


@dataclass(frozen=True, slots=True)
class Agent:
    """A key of an ssh-agent; ``socket`` is ``None`` for the agent that the CA was told of."""

    fingerprint: str
    socket: Path | None


@dataclass(frozen=True, slots=True)
class Token:
    """A key on a PKCS#11 token, chosen by label, id, or both."""

    module: Path
    token: str
    serial: str | None
    manufacturer: str | None
    model: str | None
    object: str | None
    id: bytes | None
    pin: str | None
    """The source of the PIN."""


@dataclass(frozen=True, slots=True)
class Safe:
    """The recovery key, which the CA cannot open: its public half, as an OpenSSH line."""

    line: str


Reference = File | Agent | Token | Safe


def of_file(path: Path, passphrase: str | None = None) -> str:
    """The reference to a key file; ``passphrase`` is the source of what it is encrypted by."""
    return f"file:{quote(str(path))}" + ("" if passphrase is None else f"?passphrase={quote(passphrase)}")


def of_recovery(line: str) -> str:
    """The reference to the recovery key with this public half."""
    return f"{_RECOVERY}:{quote(line)}"


def is_recovery(reference: str) -> bool:
    """Whether this is a key whose private half is not the CA's to use."""
    return reference.startswith(f"{_RECOVERY}:")


def parse(text: str) -> Reference:
    """Reads a reference.

    Raises:
        Invalid: ``bad_reference``, with what is wrong.

    """
    if len(text) > MAX_LENGTH or not _PRINTABLE.fullmatch(text):
        raise _bad(f"a reference has at most {MAX_LENGTH} printable characters and no spaces")
    if is_recovery(text):
        return Safe(unquote(text.partition(":")[2]))
    scheme, separator, rest = text.partition(":")
    path, _, query = rest.partition("?")
    if not separator or scheme not in ("file", "agent", "pkcs11"):
        raise _bad("a reference begins with file:, agent: or pkcs11:", hint=f"e.g. {_EXAMPLES}")
    pairs = _pairs(query, "&", text)
    if scheme == "file":
        return _file(path, pairs)
    return _agent(path, pairs) if scheme == "agent" else _token(path, pairs)


def _file(path: str, query: dict[str, str]) -> File:
    found = File(_absolute("the key's path", unquote(path)), _source("passphrase", query.pop("passphrase", None)))
    _nothing_left(query, "passphrase")
    return found


def _agent(fingerprint: str, query: dict[str, str]) -> Agent:
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise _bad("an agent's key is written agent:SHA256: and 43 characters", hint="ssh-add -l shows them")
    socket = query.pop("socket", None)
    _nothing_left(query, "socket")
    return Agent(fingerprint, None if socket is None else _absolute("socket", socket))


def _token(path: str, query: dict[str, str]) -> Token:
    names = _pairs(path, ";", path)
    if "pin-value" in query:
        raise _bad("do not put the PIN in the reference", hint="pin-source=/path/of/a/file")
    if names.pop("type", "private") != "private":
        raise _bad("type= must be private", hint="p11tool --login --list-privkeys names the private key")
    token, label, identity = names.pop("token", ""), names.pop("object", None), names.pop("id", None)
    serial, manufacturer, model = (_filled(names.pop(name, None)) for name in ("serial", "manufacturer", "model"))
    if not token or not (label or identity):
        raise _bad("a key on a token needs token=, and object= or id=")
    if "module-path" not in query:
        raise _bad("module-path= is missing: the PKCS#11 library of the token", hint="?module-path=/usr/lib/…/….so")
    module, pin = _absolute("module-path", query.pop("module-path")), query.pop("pin-source", None)
    _nothing_left(names, "token, serial, manufacturer, model, object, id, type")
    _nothing_left(query, "module-path, pin-source")
    return Token(
        module=module,
        token=token,
        serial=serial,
        manufacturer=manufacturer,
        model=model,
        object=label,
        id=None if identity is None else identity.encode("latin-1"),
        pin=_source("pin-source", pin and pin.removeprefix("file:")),
    )


def _filled(text: str | None) -> str | None:
    """Without the blanks and zero bytes by which a token fills up its fields, and of which ``p11tool`` shows some."""
    return None if text is None else text.rstrip(FILLING)


def _pairs(text: str, separator: str, whole: str) -> dict[str, str]:
    """``a=b`` pairs, percent-decoded; an ``id`` keeps its bytes, one to a character."""
    values: dict[str, str] = {}
    for pair in text.split(separator) if text else ():
        name, equals, value = pair.partition("=")
        if not equals or not value or name in values:
            raise _bad(f"{pair[:60]!r} in {whole[:60]!r} is not name=value, or is repeated")
        raw = unquote_to_bytes(value)
        try:
            values[name] = raw.decode("latin-1" if name == "id" else "utf-8")
        except UnicodeDecodeError:
            raise _bad(f"{name[:40]} is not UTF-8") from None
    return values


def _absolute(what: str, path: str) -> Path:
    if not path.startswith("/") or "\0" in path:
        raise _bad(f"{what} must be an absolute path, not {path[:60]!r}")
    return Path(path)


def source(what: str, text: str) -> str:
    """The source of a secret, checked: an absolute path, or the name of a credential.

    Raises:
        Invalid: ``bad_reference``, which calls it ``what``.

    """
    return text if _CREDENTIAL.fullmatch(text) else str(_absolute(what, text))


def _source(what: str, text: str | None) -> str | None:
    return None if text is None else source(what, text)


def _nothing_left(pairs: dict[str, str], known: str) -> None:
    if pairs:
        raise _bad(f"{min(pairs)[:40]!r} is not a known name; known: {known}")


def _bad(message: str, *, hint: str = "") -> Invalid:
    return Invalid("bad_reference", message, hint=hint)


def device(reference: str) -> str:
    """Where a key lives, in words."""
    match parse(reference):
        case File(path, _):
            return f"the file {path}"
        case Agent(_, socket):
            return f"the ssh-agent at {socket}" if socket else "the ssh-agent of agent_socket"
        case Token(token=token):
            return f"the token {token!r}"
        case Safe():
            return "a safe (the recovery key)"
