"""``/.well-known/security.txt``, by the operator's file (RFC 9116)."""

from __future__ import annotations

import dataclasses

import pytest

from sshjit.errors import Invalid
from sshjit_web import services
from sshjit_web.security_txt import parse
from tests.support.in_process_ca import FrontEnd

TEXT = "Contact: mailto:security@example.com\nExpires: 2030-01-01T00:00:00Z\nPreferred-Languages: en\n"


def serve(world: FrontEnd, text: str) -> None:
    known: services.Services = world.app.extensions["ssh-jit"]
    world.app.extensions["ssh-jit"] = dataclasses.replace(known, security_txt=parse(text, "security.txt"))


def test_it_is_served_as_it_is_until_its_day(world: FrontEnd) -> None:
    client = world.stranger()
    assert client.get("/.well-known/security.txt").status_code == 404
    serve(world, TEXT)
    answer = client.get("/.well-known/security.txt")
    assert (answer.status_code, answer.text) == (200, TEXT)
    assert answer.content_type == "text/plain; charset=utf-8"
    serve(world, TEXT.replace("2030", "2026"))
    assert client.get("/.well-known/security.txt").status_code == 404, "the CA's clock of this test is in 2027"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Contact"),
        ("Expires: 2030-01-01T00:00:00Z\n", "Contact"),
        ("Contact: security@example.com\nExpires: 2030-01-01T00:00:00Z\n", "Contact"),
        ("Contact: mailto:a@example.com\n", "Expires, once"),
        (f"{TEXT}Expires: 2031-01-01T00:00:00Z\n", "Expires, once"),
        ("Contact: https://example.com/x\nExpires: tomorrow\n", "RFC 3339"),
        ("Contact: https://example.com/x\nExpires: 2030-01-01T00:00:00\n", "RFC 3339"),
    ],
)
def test_what_rfc_9116_requires_is_required(text: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        parse(text, "security.txt")


def test_a_signed_file_and_one_of_windows_are_read() -> None:
    signed = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{TEXT}-----BEGIN PGP SIGNATURE-----\n\nabc\n"
    assert parse(signed, "x").text == signed
    assert parse(TEXT.replace("\n", "\r\n"), "x").expires == 1893456000
