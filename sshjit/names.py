"""Names, and which strings may be one.

Everything that reaches a certificate, a file name, a command line or another program's configuration passes one of
these functions first. They are allow-lists over ASCII: what is not listed is refused, nothing is repaired, and what
comes back is the argument itself.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from sshjit.errors import Invalid
from sshjit.visible import describe, hidden, visible

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_HOST_ID = re.compile(rf"({_LABEL}(?:\.{_LABEL})*)(?:~([2-9]|[1-9][0-9]{{1,5}}))?")
_ACCOUNT = r"[A-Za-z_][A-Za-z0-9._-]{0,31}\$?"
_LOGIN = re.compile(_ACCOUNT)
_PROVIDER = re.compile(r"[a-z][a-z0-9-]{0,31}")
_TOKEN = re.compile(r"[a-z]{1,8}-[0-9a-z]{8,40}")
_ENTITY_TAG = re.compile(r'(?:W/)?"[!#-~]{1,190}"')
_BEARER = re.compile(r"[A-Za-z0-9._~+/=-]{1,4000}")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_PRINCIPAL = re.compile(rf"{_ACCOUNT}@{_HOST_ID.pattern}")
_PASSAGE = re.compile(rf"via/{_HOST_ID.pattern}@{_HOST_ID.pattern}")
_URL_TEXT = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]{1,2000}")

_ORIGIN_HINT = "write it like https://ssh-jit.example.com"
_UPPER = {number: number + 32 for number in range(ord("A"), ord("Z") + 1)}

MAX_REASON = 500
"""Characters of a reason or a comment."""
MAX_COMMAND = 1000
"""Characters of a forced command."""


def _match(pattern: re.Pattern[str], text: str, code: str, what: str, *, longest: int = 255) -> str:
    if len(text) > longest or not pattern.fullmatch(text):
        raise Invalid(code, f"{show(text)} is not {what}")
    return text


def show(text: str, longest: int = 60) -> str:
    """``text`` quoted for an error message, on one line, in ASCII, and cut."""
    quoted = ascii(text)
    return quoted if len(quoted) <= longest else f"{quoted[:longest]}...{quoted[0]}"


def lowered(text: str) -> str:
    """``text`` with A to Z in lower case and everything else as it is: no other letter becomes one of ASCII."""
    return text.translate(_UPPER)


def host_name(text: str) -> str:
    """A host's name: lower-case DNS labels. An address is no name: it may be somebody else's tomorrow."""
    if is_address(text):
        hint = f"host add NAME --address {text} (with --alias {text}, if people shall type that)"
        raise Invalid("bad_host", f"{text} is an address, and a host has a name", hint=hint)
    return _match(_HOST, text, "bad_host", "a host name (lower-case letters, digits, '-', '.')", longest=253)


def host_alias(text: str) -> str:
    """What a host is called besides its name, or what somebody typed: lower-case DNS labels, or an address."""
    return text if is_address(text) else host_name(text)


def host_pattern(text: str) -> str:
    """The names that hosts of a fleet may have: a host name with ``*`` in it, and at least one letter or digit."""
    if "*" not in text or "**" in text or not text.strip("*.-") or not _HOST.fullmatch(text.replace("*", "x")):
        hint = "write it like web-*: * stands for letters, digits and '-', never for a '.'"
        raise Invalid("bad_pattern", f"{show(text)} is not a pattern of host names", hint=hint)
    return text


def fits_pattern(name: str, pattern: str) -> bool:
    """Whether a host's name fits a ``host_pattern``: each ``*`` stands for one or more of ``a-z``, ``0-9``, ``-``."""
    parts = (re.escape(part) for part in pattern.split("*"))
    return len(name) <= 253 and re.fullmatch("[a-z0-9-]+".join(parts), name) is not None


def host_id(text: str) -> str:
    """A host's id: its name, or the name with ``~2``, ``~3`` … for later machines of that name."""
    return _match(_HOST_ID, text, "bad_host", "a host id")


def login_name(text: str) -> str:
    r"""A Unix account, as ``useradd``, SSSD and Samba make them: ``[A-Za-z_][A-Za-z0-9._-]{0,31}\$?``, case kept."""
    what = "an account name (letters, digits, '.', '_' and '-', not a digit, '.' or '-' first; '$' may be the last)"
    return _match(_LOGIN, text, "bad_login", what)


def is_login_name(text: str) -> bool:
    """Whether ``login_name`` takes it."""
    return _LOGIN.fullmatch(text) is not None


def principal(login: str, host: str) -> str:
    """The principal ``<login>@<host id>`` of a user certificate, from its checked parts."""
    return _match(_PRINCIPAL, f"{login}@{host}", "bad_principal", "a principal", longest=33 + 1 + 255)


def passage(target: str, bastion: str) -> str:
    """The principal ``via/<target's host id>@<bastion's host id>``: of a certificate that only passes through.

    No account has a ``/`` in its name, so it is nobody's principal on any host.
    """
    return _match(_PASSAGE, f"via/{target}@{bastion}", "bad_principal", "a principal", longest=4 + 255 + 1 + 255)


def provider_id(text: str) -> str:
    """A provider's short name: ``acme``."""
    return _match(_PROVIDER, text, "bad_provider", "a provider's name")


def identifier(text: str) -> str:
    """An id that the CA made: ``req-…``, ``login-…``, ``sub-…``."""
    return _match(_TOKEN, text, "bad_id", "an id")


def entity_tag(text: str) -> str:
    """An ``ETag`` that can be sent back, else an empty string.

    It must be a single tag (RFC 9110, 8.8.3): a list of tags would let a server name answers yet to come, which an
    honest one would then never send, and one that cannot be sent would end every later exchange.
    """
    return text if _ENTITY_TAG.fullmatch(text) else ""


def bearer(text: str) -> str | None:
    """A token that a server gave and that can be sent back (RFC 6750, 2.1); ``None`` if it is none."""
    return text if _BEARER.fullmatch(text) else None


def label(key: str, value: str) -> tuple[str, str]:
    """One label of a host: ``("env", "prod")``."""
    return (
        _match(_LABEL_KEY, key, "bad_label", "a label's name"),
        _match(_LABEL_VALUE, value, "bad_label", "a label's value"),
    )


def address(text: str) -> str:
    """Where to connect to: an IP address without a zone, or a host name."""
    if is_address(text):
        return text
    return _match(_HOST, text, "bad_address", "a host name or an IP address", longest=253)


def network(text: str) -> str:
    """One IP address, or one network as a CIDR, in the shortest spelling: what may stand in ``source-address``."""
    try:
        spelled = ipaddress.ip_network(text).compressed
    except ValueError:
        raise Invalid("bad_network", f"{show(text)} is not an IP address or a network") from None
    if "%" in text or text not in (spelled, spelled.partition("/")[0]):
        raise Invalid("bad_network", f"{show(text)} is not the shortest spelling of an IP address or a network")
    return text


def is_address(text: str) -> bool:
    """Whether it is an IP address in its shortest spelling, without a zone."""
    try:
        return ipaddress.ip_address(text).compressed == text and "%" not in text
    except ValueError:
        return False


def port(number: int) -> int:
    """A TCP port, 1 to 65535."""
    if not 1 <= number <= 65535:
        raise Invalid("bad_port", f"{number} is not a port")
    return number


def url(text: str, *, plain_http: bool = False) -> str:
    """An absolute ``https`` URL without user information; with ``plain_http`` also ``http`` to a loopback address."""
    _match(_URL_TEXT, text, "bad_url", "a URL", longest=2000)
    try:
        parts = urlsplit(text)
        where = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise Invalid("bad_url", f"{show(text)} is not a URL") from None
    if parts.scheme not in ("https", "http"):
        raise Invalid("bad_url", f"{show(text)} must begin with https://")
    address(where)
    if "[" in parts.netloc and ":" not in where:
        raise Invalid("bad_url", f"{show(text)} is not a URL")
    if parts.username is not None or parts.password is not None:
        raise Invalid("bad_url", f"{show(text)} carries user information")
    if parts.scheme == "https" or (parts.scheme == "http" and plain_http and is_loopback(where)):
        return text
    raise Invalid("bad_url", f"{show(text)} must begin with https://", hint="plain http is taken on loopback only")


def origin(text: str, *, plain_http: bool = False) -> str:
    """The address of a front end: a ``url`` without path, query and fragment; a slash at its end is cut."""
    parts = urlsplit(url(text, plain_http=plain_http))
    if parts.path not in ("", "/") or parts.query or parts.fragment or text.endswith(("?", "#")):
        raise Invalid("bad_url", f"{show(text)} is not the address of a front end: it has a path", hint=_ORIGIN_HINT)
    return text.removesuffix("/")


def is_loopback(host: str) -> bool:
    """Whether the host part of a URL is this machine and never leaves it."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_BLANKS = re.compile("\r\n|[\t\n\v\f\r\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
"""Everything that Unicode calls a blank or a line end, but the space."""


def free_text(text: str, what: str, longest: int = MAX_REASON) -> str:
    """A reason or a comment, on one line: each blank and line end is a space, and those around the text are cut.

    So text can be pasted. What cannot be seen where it stands is refused by its name: an approver would not see it.

    Raises:
        Invalid: ``too_long``, ``not_printable``.

    """
    text = _BLANKS.sub(" ", text).strip(" ")
    if len(text) > longest:
        raise Invalid("too_long", f"{what} has {len(text)} characters, the limit is {longest}")
    for at in hidden(text):
        raise Invalid("not_printable", f"{what} contains {describe(text[at])} {_place(text, at)}", hint=_NOT_SEEN)
    return text


_NOT_SEEN = "remove that character: whoever reads the text would not see it"


def _place(text: str, at: int) -> str:
    """``at character 7, after "CHG-20"``; the word before it is quoted only where it is plainly seen."""
    before = text[max(at - 20, 0) : at]
    return f'at character {at + 1}, after "{before}"' if before and visible(before) else f"at character {at + 1}"


def printable_ascii(text: str, longest: int = 255) -> bool:
    """Whether it is 1 to ``longest`` characters of printable ASCII."""
    return 0 < len(text) <= longest and text.isascii() and text.isprintable()


def command(text: str) -> str:
    """An exact command: printable ASCII, no line breaks, at most 1000 characters."""
    if not text or len(text) > MAX_COMMAND or not text.isascii() or not text.isprintable():
        raise Invalid("bad_command", "a command is 1 to 1000 printable ASCII characters on one line")
    return text
