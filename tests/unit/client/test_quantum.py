"""Which sides of a connection are said to be classical."""

from __future__ import annotations

from pathlib import Path

from sshjit_client.diagnosis import quantum
from sshjit_client.diagnosis.quantum import Sides

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
DEBUG = """debug1: kex: algorithm: {exchange}
debug1: kex: host key algorithm: x
debug1: Server host {kind} SHA256:abc"""


def test_the_classical_sides_come_first_and_none_is_left_out() -> None:
    debugging = DEBUG.format(exchange="mlkem768x25519-sha256", kind="certificate: ssh-ed25519-cert-v01@openssh.com")
    exchange, host_key = quantum.agreed(debugging.splitlines())
    sides = Sides(exchange, host_key, quantum.word(post_quantum=True), quantum.login_key(key("ed25519")))
    assert sides.text() == (
        "classical: host key (ssh-ed25519-cert-v01@openssh.com), login key (ssh-ed25519); "
        "post-quantum: key exchange (mlkem768x25519-sha256), CA's signature"
    )


def test_what_is_not_known_is_not_said() -> None:
    assert quantum.agreed(["debug1: something"]) == ("", "")
    assert Sides(login_key=quantum.login_key(key("post-quantum/mldsa44-ed25519"))).text() == (
        "post-quantum: login key (ssh-mldsa44-ed25519)"
    )


def test_exchanges_and_host_keys_of_every_kind() -> None:
    for exchange, kind, words in (
        ("curve25519-sha256", "key: ssh-ed25519", ("classical (", "classical (")),
        ("sntrup761x25519-sha512@openssh.com", "certificate: ssh-mldsa44-ed25519-cert", ("post-", "post-")),
    ):
        found = quantum.agreed(DEBUG.format(exchange=exchange, kind=kind).splitlines())
        assert all(text.startswith(word) for text, word in zip(found, words, strict=True)), found
    assert quantum.offered({"kexalgorithms": "curve25519-sha256,x"}).startswith("classical (curve25519-sha256")
    assert quantum.offered({}) == ""


def key(name: str) -> str:
    return (VECTORS / f"{name}.pub").read_text().strip()
