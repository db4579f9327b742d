"""Asks a key revocation list whether it revokes one certificate (OpenSSH's ``PROTOCOL.krl``).

sshd asks at each login. This asks for sessions that are open. The list was checked by ``formats/krl.py`` before it was
kept.
"""

from __future__ import annotations

from sshjit_host.formats.krl import (
    CERTIFICATES,
    EXPLICIT_KEYS,
    KEY_IDS,
    SERIAL_BITMAP,
    SERIAL_LIST,
    SERIAL_RANGE,
    sections,
)
from sshjit_host.formats.sshkey import Reader


def revokes(data: bytes, ca: bytes, serial: int, key_id: str) -> bool:
    """Whether the list revokes a certificate by this CA key, or the CA key itself."""
    reader = sections(data)
    while reader:
        section, body = reader.number(1), Reader(reader.string())
        if section == EXPLICIT_KEYS:
            while body:
                if body.string() == ca:
                    return True
        elif section == CERTIFICATES and body.string() == ca:
            body.string()  # reserved
            while body:
                if _names(body.number(1), Reader(body.string()), serial, key_id):
                    return True
    return False


def _names(section: int, body: Reader, serial: int, key_id: str) -> bool:
    if section == SERIAL_LIST:
        data = body.take(body.left)
        wanted = serial.to_bytes(8, "big")
        at = data.find(wanted)
        while at >= 0 and at % 8:
            at = data.find(wanted, at + 1)
        return at >= 0
    if section == SERIAL_RANGE:
        return body.number(8) <= serial <= body.number(8)
    if section == SERIAL_BITMAP:
        offset, bits = body.number(8), body.mpint()
        return serial >= offset and bool(bits >> (serial - offset) & 1)
    if section == KEY_IDS:
        while body:
            if body.string() == key_id.encode("utf-8"):
                return True
    return False
