"""``/.well-known/security.txt`` (RFC 9116): to whom weaknesses of this installation are reported.

The operator's file is served as it is, since it may be signed. What RFC 9116 requires is looked at when the front end
starts; a file whose day has passed is not served, because nobody may rely on it any more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sshjit.errors import Invalid

PATH = "/.well-known/security.txt"
_FIELD = re.compile(r"^([A-Za-z-]+):[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_EXAMPLE = "Contact: mailto:security@example.com, and Expires: 2027-12-31T23:59:59Z"


@dataclass(frozen=True, slots=True)
class SecurityTxt:
    """The text, and until when it counts (seconds since the epoch)."""

    text: str
    expires: float


def parse(text: str, name: str) -> SecurityTxt:
    """Reads a file; ``name`` is in errors.

    Raises:
        Invalid: ``bad_config``.

    """
    fields: dict[str, list[str]] = {}
    for field, value in _FIELD.findall(text.replace("\r\n", "\n")):
        fields.setdefault(field.lower(), []).append(value)
    contacts = fields.get("contact", [])
    if not contacts or not all(contact.startswith(("https:", "mailto:", "tel:")) for contact in contacts):
        raise Invalid("bad_config", f"{name}: it needs Contact, a URI of mailto:, https: or tel:", hint=_EXAMPLE)
    if len(fields.get("expires", [])) != 1:
        raise Invalid("bad_config", f"{name}: it needs Expires, once", hint=_EXAMPLE)
    try:
        expires = datetime.fromisoformat(fields["expires"][0])
    except ValueError:
        expires = None
    if expires is None or expires.tzinfo is None:
        raise Invalid("bad_config", f"{name}: Expires must be a time with its offset (RFC 3339)", hint=_EXAMPLE)
    return SecurityTxt(text, expires.timestamp())
