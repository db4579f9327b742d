"""Revoking, and what hosts are told: ssh-keygen judges list and signature."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import profile, sshcert
from sshjit.errors import Invalid, Refused
from sshjit.profile import Issue
from sshjit.sshwire import Reader
from sshjit_ca.keys import krl
from tests.support import published_bundle
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation


def granted(ca: Installation) -> tuple[m.RequestView, m.CertificateView]:
    reply = ca.ask(ca.native(ALICE), "web1")
    assert reply.certificate is not None
    return reply.request, reply.certificate


def test_a_revoked_grant_revokes_what_is_alive_and_gives_nothing_new(ca: Installation) -> None:
    request, certificate = granted(ca)
    assert not published_bundle.revoked(ca, certificate)
    reply = ca.say(m.Revoke(None, request.id, None, None, "laptop lost"), m.RevokeReply, "admin")
    assert (reply.certificates, reply.requests[0].state, reply.requests[0].closing) == (1, "revoked", "laptop lost")
    assert published_bundle.revoked(ca, certificate)
    with pytest.raises(Invalid, match="revoked"):
        ca.say(m.SignUser(next(iter(ca.logins)), request.id), m.CertificateReply)


def test_one_certificate_is_revoked_alone(ca: Installation) -> None:
    login = ca.native(ALICE)
    first, second = (ca.ask(login, "web1").certificate for _ in range(2))
    assert first is not None
    assert second is not None
    ca.say(m.Revoke(None, None, first.serial, None, "test"), m.RevokeReply, "admin")
    assert published_bundle.revoked(ca, first)
    assert not published_bundle.revoked(ca, second)
    with pytest.raises(Invalid):
        ca.say(m.Revoke(None, None, first.serial, None, "again"), m.RevokeReply, "admin")


def test_what_is_done_is_worthless_at_once(ca: Installation) -> None:
    request, certificate = granted(ca)
    ca.say(m.End(next(iter(ca.logins)), request.id), m.RequestReply)
    assert published_bundle.revoked(ca, certificate)


def test_t55_a_serial_stays_on_the_list_until_its_grant_is_over(ca: Installation) -> None:
    request, certificate = granted(ca)
    ca.say(m.Revoke(None, request.id, None, None, "laptop lost"), m.RevokeReply, "admin")
    ca.later(8 * 3600 - 1)
    assert published_bundle.revoked(ca, certificate)
    assert published_bundle.newest(ca).ended == ((request.id, 1_800_000_000),)
    ca.later(1)
    assert not published_bundle.revoked(ca, certificate)
    assert published_bundle.newest(ca).ended == ()


def test_t46_revoking_what_belongs_to_others_needs_the_permission(ca: Installation) -> None:
    request, certificate = granted(ca)
    for message in (
        m.Revoke(ca.web(CAROL), request.id, None, None, "x"),
        m.Revoke(ca.web(CAROL), None, certificate.serial, None, "x"),
        m.Revoke(None, request.id, None, None, "x"),
    ):
        with pytest.raises(Refused) as refused:
            ca.say(message, m.RevokeReply, "web")
        assert refused.value.code == "not_permitted"
    assert not published_bundle.revoked(ca, certificate)
    assert ca.say(m.Revoke(ca.web(BOB), request.id, None, None, "x"), m.RevokeReply, "web").certificates == 1


def test_a_person_revokes_their_own(ca: Installation) -> None:
    request, _ = granted(ca)
    ca.say(m.Revoke(ca.web(ALICE), request.id, None, None, "laptop lost"), m.RevokeReply, "web")


@pytest.mark.parametrize(("request_id", "serial", "reason"), [(None, None, "x"), ("r", 7, "x"), (None, 7, "x")])
def test_what_cannot_be_revoked(ca: Installation, request_id: str | None, serial: int | None, reason: str) -> None:
    with pytest.raises(Invalid):
        ca.say(m.Revoke(None, request_id, serial, None, reason), m.RevokeReply, "admin")


def test_revoking_needs_a_reason(ca: Installation) -> None:
    request, _ = granted(ca)
    with pytest.raises(Invalid, match="give a reason"):
        ca.say(m.Revoke(None, request.id, None, None, "  "), m.RevokeReply, "admin")


def test_ssh_keygen_verifies_the_bundle(ca: Installation) -> None:
    reply = published_bundle.reply(ca)
    assert reply.bundle is not None
    (ca.home / "signers").write_text(f'bundle namespaces="bundle@ssh-jit" {published_bundle.newest(ca).root}\n')
    (ca.home / "bundle.sig").write_text(reply.signature or "")
    command = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        "signers",
        "-I",
        "bundle",
        "-n",
        "bundle@ssh-jit",
        "-s",
        "bundle.sig",
    ]
    for text, good in ((reply.bundle, True), (reply.bundle.replace('"sequence":', '"sequence":1'), False)):
        done = subprocess.run(command, input=text.encode(), capture_output=True, cwd=ca.home, check=False)
        assert (done.returncode == 0) is good


def test_a_bundle_is_signed_when_there_is_something_new_and_its_sequence_rises(ca: Installation) -> None:
    first = published_bundle.reply(ca)
    assert published_bundle.reply(ca).sequence == first.sequence
    assert ca.say(m.ReadBundle(first.sequence), m.BundleReply).bundle is None
    request, _ = granted(ca)
    assert published_bundle.reply(ca).sequence == first.sequence + 1  # the provider was reached when alice signed in
    ca.say(m.Revoke(None, request.id, None, None, "x"), m.RevokeReply, "admin")
    assert published_bundle.reply(ca).sequence == first.sequence + 2
    ca.restart()
    assert published_bundle.reply(ca).sequence == first.sequence + 3


def test_a_lost_batch_takes_its_bundle_with_it(ca: Installation) -> None:
    sequence = published_bundle.reply(ca).sequence
    ca.later(1000)
    broken, _ = ca.say_all([m.ReadBundle(None), m.Status()], "admin")
    assert isinstance(broken, m.BundleReply)
    assert json.loads(broken.bundle or "")["sequence"] == sequence + 1


def test_a_list_without_serials_is_valid_and_one_with_many_names_exactly_those(
    ca: Installation, tmp_path: Path
) -> None:
    signer = ca.context.keys.active("user_ca")
    key = ca.context.keys.public("log")
    several = (1, *range(2**40 + 1, 2**40 + 4), *range(2**40 + 5, 2**40 + 300), 2**40 + 301, 2**63)
    for serials in ((), (1,), (2**40 + 3, 2**40 + 5, 2**63), several, several[:-1], range(2**40 + 3, 2**40 + 9)):
        (tmp_path / "krl").write_bytes(krl.write([([signer.public], serials)], version=3, time=1_800_000_000))
        for serial in (1, 2**40 + 3, 2**40 + 4, 2**40 + 5, 2**40 + 299, 2**40 + 300, 2**63):
            issue = Issue(1_800_000_000, serial, b"n" * 32, signer.public, 900)
            signed = sshcert.encode(profile.host_certificate("web1", (), key, issue))
            (tmp_path / "x-cert.pub").write_text(sshcert.line(sshcert.seal(signed, signer.sign(signed))))
            command = ["ssh-keygen", "-Q", "-f", str(tmp_path / "krl"), str(tmp_path / "x-cert.pub")]
            done = subprocess.run(command, capture_output=True, check=False)
            assert (done.returncode != 0) is (serial in serials), (serials, serial, done)


def test_t90_a_list_of_very_many_stays_small_and_forgets_what_can_no_longer_be_alive(ca: Installation) -> None:
    """Sshd reads the list at each login, for each key that is offered: 100,000 serials cost it a second."""
    _, certificate = granted(ca)
    empty = len(base64.b64decode(published_bundle.newest(ca).krl))
    ca.say(m.Revoke(None, None, certificate.serial, None, "x"), m.RevokeReply, "admin")
    one = len(base64.b64decode(published_bundle.newest(ca).krl))
    over = ca.context.now + 60
    first = certificate.serial + 1000
    ca.context.state.revoked.update(dict.fromkeys(range(first, first + 100_000), over))
    many = len(base64.b64decode(published_bundle.newest(ca).krl))
    assert empty < one < many < one + 100, "in a row they are one range for each key"
    ca.later(61)
    assert len(base64.b64decode(published_bundle.newest(ca).krl)) == one
    ca.later(9 * 3600)
    assert len(base64.b64decode(published_bundle.newest(ca).krl)) == empty
    assert published_bundle.newest(ca).ended == ()


def ranges_over(ca: Installation, serials: list[int], alive: list[int]) -> list[int]:
    """Of ``serials`` those that the list refuses, by its own bytes; ``alive`` as for ``krl.write``."""
    signer = ca.context.keys.active("user_ca")
    raw = krl.write([([signer.public], serials)], version=3, time=1, alive=alive)
    reader = Reader(raw[44:])  # after the head
    assert reader.u8() == 1
    section = Reader(reader.string())
    assert reader.at_end()
    assert (section.string(), section.string()) == (signer.public.blob, b"")
    refused: list[int] = []
    while not section.at_end():
        kind, body = section.u8(), Reader(section.string())
        while not body.at_end():
            first = body.u64()
            refused += range(first, (body.u64() if kind == 0x21 else first) + 1)
    return refused


def test_a_range_goes_over_places_of_the_log_that_are_no_certificate_and_over_nothing_that_counts(
    ca: Installation,
) -> None:
    """Certificates seldom stand side by side in the log: asks, grants and bundles lie between them."""
    epoch = 3 * 2**40
    revoked = [epoch + place for place in (10, 14, 18, 25, 40, 41, 60, 70, 80, 90)]
    assert ranges_over(ca, revoked, []) == list(range(epoch + 10, epoch + 91))
    living = epoch + 30
    refused = ranges_over(ca, revoked, [living])
    assert refused == [*range(epoch + 10, epoch + 26), *range(epoch + 40, epoch + 91)]
    assert ranges_over(ca, revoked[:3], []) == revoked[:3], "few are a list"
    other = [epoch + 2**40 + place for place in (1, 5, 9, 13)]
    both = sorted(ranges_over(ca, [*revoked[:4], *other], []))
    assert both == [*range(epoch + 10, epoch + 26), *range(other[0], other[-1] + 1)], "no range goes over two epochs"
    offline = [5, 500, 50_000, 5_000_000]
    assert ranges_over(ca, offline, []) == offline, "numbers at random: the next one may lie between"


def test_t90_what_is_revoked_far_apart_is_one_range_once_it_is_over_and_spares_everybody_else(ca: Installation) -> None:
    alice, dana = ca.native(ALICE), ca.native(DANA)
    other = ca.ask(dana, "db1").request
    ca.approve(ca.web(BOB), other)
    first = ca.ask(alice, "web1")
    drawn = []
    for _ in range(6):
        drawn.append(ca.say(m.SignUser(alice, first.request.id), m.CertificateReply).certificate)
        ca.ask(ca.native(ALICE), "web1", reason="CHG-9 so that the log goes on")
    spared = ca.say(m.SignUser(dana, other.id), m.CertificateReply).certificate
    drawn += [ca.say(m.SignUser(alice, first.request.id), m.CertificateReply).certificate for _ in range(6)]
    ca.say(m.Revoke(None, first.request.id, None, None, "x"), m.RevokeReply, "admin")
    long = len(base64.b64decode(published_bundle.newest(ca).krl))
    assert all(published_bundle.revoked(ca, each) for each in drawn)
    assert not published_bundle.revoked(ca, spared)
    ca.later(1000)  # the list is written anew every quarter of an hour
    again = ca.say(m.SignUser(dana, other.id), m.CertificateReply).certificate
    short = len(base64.b64decode(published_bundle.newest(ca).krl))
    assert short < long
    assert all(published_bundle.revoked(ca, each) for each in drawn)
    assert not published_bundle.revoked(ca, again)
