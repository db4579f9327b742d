"""Hosts that join by a token, renew by their own keys, and report; certificates are judged by ``ssh-keygen``."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from sshjit import bundle, sshcert
from sshjit import ca_protocol as m
from sshjit.bundle import PlainHost
from sshjit.errors import Failed, Invalid, Refused
from sshjit.login import b64url, unb64url
from sshjit_ca.access import host_statements, hosts
from sshjit_ca.cli import show
from sshjit_ca.operations import doctor
from tests.support.ca_sockets import serving_sockets
from tests.support.installation import ALICE, Installation, make_key, ssh_sign
from tests.support.keyring import fp
from tests.support.published_bundle import newest, revoked
from tests.support.signatures import host_keys, join, leave, lines_of, renew, report

NEW = m.AddHost("web9", ("web9.example.com", "192.0.2.9"), "192.0.2.9", 22, (("env", "staging"),), ())
WEEK = 7 * 24 * 3600


@pytest.fixture
def keys(ca: Installation) -> tuple[Path, ...]:
    """A host's keys, of three types."""
    return host_keys(ca, "ed25519", "ecdsa", "rsa")


def invited(ca: Installation, message: m.AddHost = NEW) -> str:
    reply = ca.say(message, m.HostReply, "admin")
    assert reply.invitation is not None
    return reply.invitation.token


def refused(ca: Installation, message: m.Message, reply: type[object] = m.HostReply) -> str:
    with pytest.raises(Refused) as error:
        ca.say(message, reply, "web")
    return error.value.code


def listed(ca: Installation, certificate: str) -> str:
    (ca.home / "h-cert.pub").write_text(certificate + "\n")
    command = ["ssh-keygen", "-L", "-f", str(ca.home / "h-cert.pub")]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_host_joins_and_has_a_certificate_for_each_of_its_keys(ca: Installation, keys: tuple[Path, ...]) -> None:
    reply = ca.say(join(ca, "web9", invited(ca), keys), m.HostReply, "web")
    assert (len(reply.certificates), reply.invitation) == (3, None)
    for line, key in zip(reply.certificates, lines_of(keys), strict=True):
        shown = listed(ca, line)
        assert "host certificate" in shown
        principals = shown.split("Principals:")[1].split("Critical")[0].split()
        assert principals == ["web9", "web9.example.com", "192.0.2.9"]
        certificate = sshcert.parse_line(line)[0]
        assert certificate.key.line == key
        assert certificate.valid_before - int(ca.time) == WEEK
        assert not certificate.critical + certificate.extensions
    assert ca.context.state.hosts["web9"].host_keys == lines_of(keys)


MLDSA = "ssh-mldsa44-ed25519"
"""A type of key that OpenSSH 10.4 makes for every host by itself, and that this CA does not certify."""


def unknown_key(kind: str = MLDSA) -> str:
    blob = len(kind).to_bytes(4, "big") + kind.encode() + (1344).to_bytes(4, "big") + bytes(1344)
    return f"{kind} {base64.b64encode(blob).decode()}"


def test_a_key_of_a_type_that_is_not_certified_is_left_out_and_the_others_join(
    ca: Installation, keys: tuple[Path, ...]
) -> None:
    token, installation = invited(ca), ca.config.installation
    lines = (lines_of(keys)[0], unknown_key(), lines_of(keys)[1])
    said = host_statements.join_texts(installation, m.JoinHost("web9", lines, "", ()))[0]
    mac = host_statements.join_mac(unb64url(token), said)
    text = host_statements.join_proof(said, mac)
    signatures = [ssh_sign(key, host_statements.JOIN_NAMESPACE, text) for key in keys[:2]]
    whole = m.JoinHost("web9", lines, mac, (signatures[0], "not known here", signatures[1]))
    swapped = replace(whole, signatures=(signatures[0], signatures[1], "not known here"))
    with pytest.raises(Invalid, match="not an armoured SSH signature"):
        ca.say(swapped, m.HostReply, "web")
    reply = ca.say(whole, m.HostReply, "web")
    assert (len(reply.certificates), reply.left_out) == (2, (MLDSA,))
    assert ca.context.state.hosts["web9"].host_keys == lines_of(keys)[:2]


def test_an_operator_enrols_with_such_a_key_too_and_hears_of_it(ca: Installation, keys: tuple[Path, ...]) -> None:
    message = replace(NEW, host_keys=(unknown_key(), f"{lines_of(keys)[0]} r\u00f6\u00dfli@web9"))
    reply = ca.say(message, m.HostReply, "admin")
    assert (len(reply.certificates), reply.left_out) == (1, (MLDSA,))
    assert f"not certified keys of the type {MLDSA}" in " ".join(show.host_added(reply).split())
    with pytest.raises(Invalid) as none:
        ca.say(m.AddHost("web7", (), "192.0.2.7", 22, (("env", "staging"),), (unknown_key(),)), m.HostReply, "admin")
    assert none.value.code == "bad_key_type"


def test_a_host_has_a_name_in_lower_case_and_addresses_as_aliases(ca: Installation) -> None:
    reply = ca.say(replace(NEW, name="WEB9", aliases=("2001:DB8::1", "Web9.Lab")), m.HostReply, "admin")
    assert (reply.host.name, reply.host.id, reply.host.aliases) == ("web9", "web9", ("2001:db8::1", "web9.lab"))
    for name in ("10.0.0.5", "2001:db8::2"):
        with pytest.raises(Invalid) as address:
            ca.say(replace(NEW, name=name, aliases=()), m.HostReply, "admin")
        assert address.value.code == "bad_host"
        assert address.value.hint.startswith(f"host add NAME --address {name} ")


def test_t54_a_token_counts_once(ca: Installation, keys: tuple[Path, ...]) -> None:
    message = join(ca, "web9", invited(ca), keys)
    ca.say(message, m.HostReply, "web")
    assert refused(ca, message) == "join_refused"
    with pytest.raises(Invalid) as joined:
        ca.say(m.InviteHost("web9"), m.HostReply, "admin")
    assert joined.value.code == "has_keys"


def test_t54_a_token_counts_for_an_hour_and_its_own_host(ca: Installation, keys: tuple[Path, ...]) -> None:
    token = invited(ca)
    invited(ca, replace(NEW, name="web8", aliases=()))
    assert refused(ca, join(ca, "web8", token, keys)) == "join_refused"
    assert refused(ca, join(ca, "nowhere", token, keys)) == "join_refused"
    assert refused(ca, join(ca, "web9.example.com", token, keys)) == "join_refused"
    ca.later(3600)
    assert refused(ca, join(ca, "web9", token, keys)) == "join_refused"
    again = ca.say(m.InviteHost("web9"), m.HostReply, "admin").invitation
    assert again is not None
    assert refused(ca, join(ca, "web9", token, keys)) == "join_refused"
    ca.restart()
    assert ca.say(join(ca, "web9", again.token, keys), m.HostReply, "web").certificates


def test_t54_whoever_carries_the_message_can_neither_change_it_nor_read_the_token(
    ca: Installation, keys: tuple[Path, ...]
) -> None:
    token = invited(ca)
    good = join(ca, "web9", token, keys)
    thief = make_key(ca.home / "thief")
    line = lines_of((thief,))[0]
    theirs = join(ca, "web9", b64url(b"\0" * 32), (thief,))
    for changed, code in (
        (replace(theirs, mac=good.mac), "join_refused"),
        (theirs, "join_refused"),
        (replace(good, host_keys=(line, *good.host_keys[1:])), "join_refused"),
        (replace(good, host_keys=good.host_keys[:2], signatures=good.signatures[:2]), "join_refused"),
        (replace(good, signatures=(theirs.signatures[0], *good.signatures[1:])), "signature_refused"),
        (replace(good, signatures=(good.signatures[1], good.signatures[0], good.signatures[2])), "signature_refused"),
        (replace(good, mac="é"), "join_refused"),
    ):
        assert refused(ca, changed) == code
    assert token not in repr(good)
    for row in ca.store.rows():
        assert token.encode() not in row.entry.fact + (row.entry.detail or b"")
    ca.say(good, m.HostReply, "web")


def test_the_secret_behind_tokens_is_the_ca_s_alone(ca: Installation) -> None:
    first, second = invited(ca), ca.say(m.InviteHost("web9"), m.HostReply, "admin").invitation
    assert second is not None
    assert first != second.token
    assert (ca.home / "ca" / "invitation-secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_secret_that_others_can_read_is_refused(ca: Installation, mode: int) -> None:
    """Whoever reads it, and the log, joins as any invited host."""
    invited(ca)
    (ca.home / "ca" / "invitation-secret").chmod(mode)
    with pytest.raises(Failed) as exposed:
        ca.say(m.InviteHost("web9"), m.HostReply, "admin")
    assert exposed.value.code == "bad_secret"
    assert "rm " in exposed.value.hint


@pytest.mark.parametrize("content", [b"", b"half of it", bytes(32), b"x" * 33], ids=["empty", "half", "zeros", "long"])
def test_t84_a_secret_that_a_power_cut_damaged_is_made_anew(
    ca: Installation, keys: tuple[Path, ...], content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty one must never count: everybody would have it. The older tokens count no more."""
    older = invited(ca)
    path = ca.home / "ca" / "invitation-secret"
    path.write_bytes(content)
    assert refused(ca, join(ca, "web9", older, keys)) == "join_refused"
    assert len(path.read_bytes()) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert "invitations that are out count no more" in caplog.text
    reply = ca.say(m.InviteHost("web9"), m.HostReply, "admin").invitation
    assert reply is not None
    ca.say(join(ca, "web9", reply.token, keys), m.HostReply, "web")


def test_a_secret_is_not_read_through_a_link(ca: Installation) -> None:
    invited(ca)
    path = ca.home / "ca" / "invitation-secret"
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(Failed) as refused_link:
        ca.say(m.InviteHost("web9"), m.HostReply, "admin")
    assert refused_link.value.code == "bad_secret"


def test_t84_a_secret_is_a_plain_file_of_the_cas_user_or_none(ca: Installation) -> None:
    """A pipe keeps nobody waiting, and what is another's is known to them."""
    invited(ca)
    path = ca.home / "ca" / "invitation-secret"
    content = path.read_bytes()
    for plant in (os.mkfifo, os.mkdir):
        path.unlink()
        plant(path, 0o600)
        with pytest.raises(Failed) as refused_kind:
            ca.say(m.InviteHost("web9"), m.HostReply, "admin")
        assert refused_kind.value.code == "bad_secret"
        if plant is os.mkfifo:
            assert refused_kind.value.hint == f"remove it, and invite again: rm {path}"
    path.rmdir()
    path.write_bytes(content)
    path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, 59999, 59999)
        with pytest.raises(Failed) as another:
            ca.say(m.InviteHost("web9"), m.HostReply, "admin")
        assert another.value.code == "bad_secret"
        os.chown(path, 0, 0)
    ca.say(m.InviteHost("web9"), m.HostReply, "admin")
    assert path.read_bytes() == content


def test_a_key_is_one_machine_s(ca: Installation, keys: tuple[Path, ...]) -> None:
    ca.say(join(ca, "web9", invited(ca), keys), m.HostReply, "web")
    token = invited(ca, replace(NEW, name="web8", aliases=()))
    assert refused(ca, join(ca, "web8", token, keys[:1])) == "key_taken"
    with pytest.raises(Refused) as taken:
        ca.say(replace(NEW, name="web7", aliases=(), host_keys=lines_of(keys[:1])), m.HostReply, "admin")
    assert taken.value.code == "key_taken"


@pytest.mark.parametrize(
    ("name", "aliases"),
    [
        ("web9", ()),
        ("web9.example.com", ()),
        ("WEB9", ()),
        ("web8", ("192.0.2.9",)),
        ("web8", ("Web9.example.com",)),
        ("web8", ("web9",)),
        ("web8", ("web9.example.com",)),
        ("web8", ("web8",)),
        ("web8", ("web8.example.com", "web8.example.com")),
    ],
)
def test_t54_a_name_or_an_alias_is_one_host_s(ca: Installation, name: str, aliases: tuple[str, ...]) -> None:
    """Or the second host would have a certificate in the first one's name."""
    invited(ca)
    with pytest.raises(Invalid) as taken:
        ca.say(replace(NEW, name=name, aliases=aliases), m.HostReply, "admin")
    assert taken.value.code == "name_taken"


def test_a_key_that_is_locked_or_stands_twice_joins_nothing(ca: Installation, keys: tuple[Path, ...]) -> None:
    token = invited(ca)
    with pytest.raises(Invalid) as twice:
        ca.say(join(ca, "web9", token, (keys[0], keys[0])), m.HostReply, "web")
    assert twice.value.code == "bad_key"
    ca.say(m.Lock(None, "key", fp(lines_of(keys)[-1]), "lost"), m.LockReply, "admin")
    assert refused(ca, join(ca, "web9", token, keys)) == "locked"
    assert ca.context.state.hosts["web9"].host_keys == ()
    ca.say(join(ca, "web9", token, keys[:-1]), m.HostReply, "web")


@pytest.mark.parametrize("count", [0, 9])
def test_a_host_proves_one_to_eight_keys(ca: Installation, count: int) -> None:
    line = lines_of((make_key(ca.home / "k"),))[0]
    with pytest.raises(Invalid) as invalid:
        ca.say(m.JoinHost("web9", (line,) * count, "", ("",) * count), m.HostReply, "web")
    assert invalid.value.code == "too_many"


def test_a_host_renews_by_its_own_keys(ca: Installation, keys: tuple[Path, ...]) -> None:
    ca.say(join(ca, "web9", invited(ca), keys), m.HostReply, "web")
    ca.later(5 * 24 * 3600)
    reply = ca.say(renew(ca, "web9", keys), m.HostReply, "web")
    certificates = [sshcert.parse_line(line)[0] for line in reply.certificates]
    assert [each.key.line for each in certificates] == list(lines_of(keys))
    assert {each.kind for each in certificates} == {sshcert.HOST}
    assert {each.valid_before for each in certificates} == {int(ca.time) + WEEK}


SAID = {"logins": ("deploy", "Ops.Team"), "host_certificates": False}
"""What the text of version 2 is there for."""


def test_a_host_says_its_accounts_and_whether_it_shows_certificates(ca: Installation, keys: tuple[Path, ...]) -> None:
    token = invited(ca)
    good = join(ca, "web9", token, keys, **SAID)
    plain = join(ca, "web9", token, keys)
    for changed in (
        replace(good, logins=("deploy",)),
        replace(good, host_certificates=True),
        replace(good, logins=(), host_certificates=True),
        replace(plain, logins=("deploy",)),
        replace(plain, host_certificates=False),
        replace(plain, mac=good.mac, signatures=good.signatures),
    ):
        assert refused(ca, changed) == "join_refused"
    reply = ca.say(good, m.HostReply, "web")
    assert (len(reply.certificates), reply.logins) == (3, ())
    host = ca.context.state.hosts["web9"]
    assert (host.logins, host.host_certificates) == (SAID["logins"], False)
    hosts = ca.say(m.ReadHosts(None), m.HostsReply, "admin")
    assert hosts.logins == (("web9", ("deploy", "Ops.Team")),)
    assert hosts.certified == (), "nobody misses the certificates of a host that shows none"
    assert ca.say(m.ReadHosts(ca.native(ALICE)), m.HostsReply, "web").logins == ()
    ca.restart()
    assert ca.context.state.hosts["web9"] == host


def test_the_bundle_names_the_keys_of_a_host_that_shows_no_certificates(
    ca: Installation, keys: tuple[Path, ...]
) -> None:
    ca.say(join(ca, "web9", invited(ca), keys, **SAID), m.HostReply, "web")
    ca.add_host("web8", env="staging")
    lines = lines_of(keys)
    whole = PlainHost("web9", ("web9", *NEW.aliases), lines)
    assert newest(ca, 2).host_keys == (whole,)
    locked = ca.say(m.Lock(None, "key", fp(lines[0]), "lost"), m.LockReply, "admin").lock.id
    assert newest(ca, 2).host_keys == (replace(whole, keys=lines[1:]),)
    ca.say(m.Unlock(None, locked, "back", None), m.Done, "admin")
    ca.say(m.Lock(None, "host", "web9", "lost"), m.LockReply, "admin")
    assert newest(ca, 2).host_keys == (replace(whole, keys=()),), "nor is it known by certificates meanwhile"


def test_a_host_that_shows_no_certificates_any_more_says_so_by_its_keys(
    ca: Installation, keys: tuple[Path, ...]
) -> None:
    """``ssh-jit-host join --no-host-certificates``, on a host that joined with them; and back."""
    ca.say(join(ca, "web9", invited(ca), keys), m.HostReply, "web")
    assert newest(ca, 2).host_keys == ()
    said = renew(ca, "web9", keys, shows=False)
    for changed in (replace(said, host_certificates=None), replace(said, host_certificates=True)):
        assert refused(ca, changed) == "signature_refused"
    ca.say(said, m.HostReply, "web")
    (plain,) = newest(ca, 2).host_keys
    assert (plain.id, plain.keys) == ("web9", lines_of(keys))
    assert ca.kinds().count("host-identity") == 1
    ca.later(1)
    ca.say(renew(ca, "web9", keys), m.HostReply, "web")
    ca.later(1)
    assert refused(ca, renew(ca, "web9", keys, shows=True)) == "too_soon", "it cannot fill the log"
    ca.later(61)
    ca.say(renew(ca, "web9", keys[:1], shows=False), m.HostReply, "web")
    assert ca.kinds().count("host-identity") == 1, "nothing new"
    ca.restart()
    assert newest(ca, 2).host_keys == (plain,)
    ca.later(61)
    ca.say(renew(ca, "web9", keys, shows=True), m.HostReply, "web")
    assert newest(ca, 2).host_keys == ()


def test_a_bundle_never_grows_beyond_what_is_read_by_hosts_without_certificates(
    ca: Installation, keys: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 2 * hosts.PLAIN_BYTES <= bundle.MAX_BYTES
    room = sum(map(len, ("web9", *NEW.aliases, *lines_of(keys))))
    monkeypatch.setattr(hosts, "PLAIN_BYTES", room - 1)
    message = join(ca, "web9", invited(ca), keys, **SAID)
    with pytest.raises(Invalid) as error:
        ca.say(message, m.HostReply, "web")
    assert error.value.code == "too_many_hosts"
    monkeypatch.setattr(hosts, "PLAIN_BYTES", room)
    ca.say(message, m.HostReply, "web")
    token = invited(ca, replace(NEW, name="web8", aliases=()))
    with pytest.raises(Invalid):
        ca.say(join(ca, "web8", token, (make_key(ca.home / "one"),), host_certificates=False), m.HostReply, "web")
    ca.say(join(ca, "web8", token, (make_key(ca.home / "one"),)), m.HostReply, "web")


def test_the_text_of_version_2_counts_also_where_nothing_new_is_said(ca: Installation, keys: tuple[Path, ...]) -> None:
    """A host program of version 2 signs one text only."""
    token, empty = invited(ca), m.JoinHost("web9", lines_of(keys), "", ())
    text = host_statements.join_texts(ca.config.installation, empty)[1]
    assert text == (
        f"ssh-jit join v2\n{ca.config.installation}\n".encode()
        + json.dumps({"host_keys": lines_of(keys), "name": "web9"}, separators=(",", ":")).encode()
        + b"\n"
    )
    mac = host_statements.join_mac(unb64url(token), text)
    proof = host_statements.join_proof(text, mac)
    signatures = tuple(ssh_sign(key, host_statements.JOIN_NAMESPACE, proof) for key in keys)
    ca.say(replace(empty, mac=mac, signatures=signatures), m.HostReply, "web")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"logins": ("deploy", "deploy")}, "bad_login"),
        ({"logins": ("deploy@web1",)}, "bad_login"),
        ({"address": "192.0.2.1"}, "bad_message"),
        ({"port": 2222}, "bad_message"),
    ],
)
def test_what_a_joining_host_may_not_say(
    ca: Installation, keys: tuple[Path, ...], said: dict[str, object], code: str
) -> None:
    with pytest.raises(Invalid) as invalid:
        ca.say(join(ca, "web9", invited(ca), keys, **said), m.HostReply, "web")
    assert invalid.value.code == code
    assert ca.context.state.hosts["web9"].host_keys == ()


def test_t67_a_host_finds_its_own_id_in_what_the_ca_signed(ca: Installation, keys: tuple[Path, ...]) -> None:
    ids: list[str] = []
    for name in ("web9", "web9"):
        reply = ca.say(replace(NEW, name=name, host_keys=lines_of(keys)), m.HostReply, "admin")
        ids += {sshcert.parse_line(line)[0].key_id for line in reply.certificates}
        assert f'Key ID: "host {reply.host.id}"' in listed(ca, reply.certificates[0])
        ca.say(m.RemoveHost(name, "another machine", None, None), m.Done, "admin")
    assert ids == ["host web9", "host web9~2"]


def test_a_host_leaves_by_any_of_its_keys_and_access_to_it_ends(ca: Installation, keys: tuple[Path, ...]) -> None:
    ca.say(join(ca, "web9", invited(ca), keys), m.HostReply, "web")
    given = ca.ask(ca.native(ALICE), "web9").certificate
    assert given is not None
    thief = make_key(ca.home / "thief")
    assert refused(ca, leave(ca, "web9", thief), m.Done) == "unknown_host_key"
    assert refused(ca, leave(ca, "web1", keys[0]), m.Done) == "unknown_host_key"
    for off in (-301, 301):
        assert refused(ca, leave(ca, "web9", keys[1], int(ca.time) + off), m.Done) == "not_fresh"
    message = leave(ca, "web9", keys[1])
    assert refused(ca, replace(message, signature=leave(ca, "web9", thief).signature), m.Done) == "signature_refused"
    assert refused(ca, replace(message, time=message.time + 1), m.Done) == "signature_refused"
    assert "web9" in ca.context.state.hosts
    ca.say(message, m.Done, "web")
    assert "web9" not in ca.context.state.hosts
    assert revoked(ca, given)
    last = ca.say(m.ReadLog(None, None, 9), m.LogReply, "admin").entries
    assert "host web9 (web9) was removed: the host left" in [each.summary for each in last]
    reply = ca.say(replace(NEW, host_keys=lines_of(keys)), m.HostReply, "admin")
    assert reply.host.id == "web9~2"
    assert refused(ca, message, m.Done) == "not_fresh", "what was said of the first machine counts for no other"


def test_a_renewal_is_fresh_and_seldom(ca: Installation, keys: tuple[Path, ...]) -> None:
    ca.say(join(ca, "web9", invited(ca), keys), m.HostReply, "web")
    for off in (-301, 301):
        assert refused(ca, renew(ca, "web9", keys, int(ca.time) + off)) == "not_fresh"
    message = renew(ca, "web9", keys)
    ca.say(message, m.HostReply, "web")
    assert refused(ca, message) == "not_fresh"
    assert refused(ca, renew(ca, "web9", keys, int(ca.time) + 1)) == "too_soon"


def test_nobody_renews_for_another_host_or_with_another_key(ca: Installation, keys: tuple[Path, ...]) -> None:
    ca.say(join(ca, "web9", invited(ca), keys), m.HostReply, "web")
    thief = (make_key(ca.home / "thief"),)
    assert refused(ca, renew(ca, "web9", thief)) == "unknown_host_key"
    assert refused(ca, renew(ca, "web1", keys)) == "unknown_host_key"
    stolen = renew(ca, "web9", keys)
    assert refused(ca, replace(stolen, signatures=renew(ca, "web9", thief).signatures * 3)) == "signature_refused"
    assert refused(ca, replace(stolen, time=stolen.time + 1)) == "signature_refused"


def test_a_host_that_is_not_there_answers_as_one_with_another_key(ca: Installation, keys: tuple[Path, ...]) -> None:
    ca.say(join(ca, "web9", invited(ca), keys[:1]), m.HostReply, "web")
    answers = []
    for name in ("web9", "web8"):
        with pytest.raises(Refused) as unknown:
            ca.say(renew(ca, name, keys[1:2]), m.HostReply, "web")
        answers.append((unknown.value.code, unknown.value.message, unknown.value.hint))
    assert answers[0] == answers[1]
    assert answers[0][0] == "unknown_host_key"


def test_a_user_s_key_gets_no_host_certificate_nor_a_host_s_key_a_user_s(ca: Installation) -> None:
    assert ca.ask(ca.native(ALICE), "web1").certificate
    assert refused(ca, renew(ca, "web1", (ca.key(ALICE),))) == "unknown_host_key"


def test_t67_a_name_used_again_is_another_machine(ca: Installation, keys: tuple[Path, ...]) -> None:
    login = ca.native(ALICE)
    old = ca.ask(login, "web1")
    assert old.certificate is not None
    ca.say(m.RemoveHost("web1", "scrapped", None, None), m.Done, "admin")
    assert revoked(ca, old.certificate)
    with pytest.raises(Invalid) as unknown:
        ca.ask(login, "web1")
    assert unknown.value.code == "unknown_host"
    reply = ca.say(replace(NEW, name="web1", aliases=(), host_keys=lines_of(keys)), m.HostReply, "admin")
    assert reply.host.id == "web1~2"
    with pytest.raises(Invalid):
        ca.say(m.SignUser(login, old.request.id), m.CertificateReply)
    new = ca.ask(login, "web1").certificate
    assert new is not None
    assert (old.certificate.principals, new.principals) == (("deploy@web1",), ("deploy@web1~2",))


def test_t67_the_old_machine_renews_nothing(ca: Installation, keys: tuple[Path, ...]) -> None:
    ca.say(join(ca, "web9", invited(ca), keys), m.HostReply, "web")
    ca.say(m.RemoveHost("web9", "scrapped", None, None), m.Done, "admin")
    assert refused(ca, renew(ca, "web9", keys)) == "unknown_host_key"
    ca.say(replace(NEW, host_keys=lines_of((make_key(ca.home / "next"),))), m.HostReply, "admin")
    assert refused(ca, renew(ca, "web9", keys)) == "unknown_host_key"


def test_a_locked_host_neither_joins_nor_renews(ca: Installation, keys: tuple[Path, ...]) -> None:
    token = invited(ca)
    known = ca.say(m.Lock(None, "host", "web9", "stolen"), m.LockReply, "admin").lock
    assert refused(ca, join(ca, "web9", token, keys)) == "locked"
    ca.say(m.Unlock(None, known.id, "found", None), m.Done, "admin")
    ca.say(join(ca, "web9", token, keys), m.HostReply, "web")
    ca.say(m.Lock(None, "host", "web9.example.com", "stolen"), m.LockReply, "admin")
    assert refused(ca, renew(ca, "web9", keys)) == "locked"


def test_t68_a_host_with_a_locked_key_has_nothing_signed_for_its_others_either(
    ca: Installation, keys: tuple[Path, ...]
) -> None:
    """What is refused leaves no certificate in the log, however often it is asked for."""
    ca.say(join(ca, "web9", invited(ca), keys), m.HostReply, "web")
    locked = fp(lines_of(keys)[-1])
    ca.say(m.Lock(None, "key", locked, "lost"), m.LockReply, "admin")
    size = ca.context.journal.size
    for _ in range(3):
        ca.later(1)
        assert refused(ca, renew(ca, "web9", keys)) == "locked"
    with pytest.raises(Refused):
        ca.say(m.CertifyHost("web9"), m.HostReply, "admin")
    assert ca.context.journal.size == size
    assert len(ca.say(renew(ca, "web9", keys[:-1]), m.HostReply, "web").certificates) == 2


def test_reports_are_written_when_they_say_something_new(ca: Installation, keys: tuple[Path, ...]) -> None:
    ca.say(join(ca, "web9", invited(ca), keys), m.HostReply, "web")

    def say(**said: object) -> None:
        ca.later(10)
        ca.say(report(ca, "web9", keys[0], **said), m.Done, "web")

    say(bundle=3)
    for _ in range(3):
        say(bundle=3)
    say(bundle=4, problems=("authorized_keys holds 1 key",))
    ended = ca.ask(ca.native(ALICE), "web9").request.id
    say(bundle=4, ended=(ended,), problems=("authorized_keys holds 1 key",))
    ca.later(3600)
    say(bundle=4, problems=("authorized_keys holds 1 key",))
    assert ca.kinds().count("host-report") == 4
    assert ca.context.state.reports["web9"].problems == ("authorized_keys holds 1 key",)


def test_a_report_is_by_the_host_s_key_and_taken_once(ca: Installation, keys: tuple[Path, ...]) -> None:
    ca.say(join(ca, "web9", invited(ca), keys), m.HostReply, "web")
    message = report(ca, "web9", keys[0])
    assert refused(ca, replace(message, sessions=5), m.Done) == "signature_refused"
    assert refused(ca, report(ca, "web9", make_key(ca.home / "thief")), m.Done) == "unknown_host_key"
    wrong = ssh_sign(keys[0], "renew@ssh-jit", b"x")
    assert refused(ca, replace(message, signature=wrong), m.Done) == "signature_refused"
    ca.say(message, m.Done, "web")
    assert refused(ca, message, m.Done) == "not_fresh"
    assert refused(ca, report(ca, "web9", keys[0], time=int(ca.time) + 1), m.Done) == "too_soon"


@pytest.mark.parametrize(
    "said", [{"problems": ("\x1b[2J",)}, {"problems": ("x",) * 17}, {"ended": ("../x",)}, {"sessions": -1}]
)
def test_t68_a_report_says_only_so_much(ca: Installation, keys: tuple[Path, ...], said: dict[str, object]) -> None:
    ca.say(join(ca, "web9", invited(ca), keys), m.HostReply, "web")
    with pytest.raises(Invalid):
        ca.say(report(ca, "web9", keys[0], **said), m.Done, "web")


def test_a_host_s_report_names_only_grants_of_that_host(ca: Installation, keys: tuple[Path, ...]) -> None:
    """A host that somebody else runs by now makes up what was ended elsewhere, and feels for what there is."""
    ca.say(join(ca, "web9", invited(ca), keys), m.HostReply, "web")
    alice = ca.native(ALICE)
    own, foreign = ca.ask(alice, "web9").request.id, ca.ask(alice, "web1").request.id
    answers = set()
    for named in (foreign, "req-0123456789", "login-0123456789"):
        with pytest.raises(Invalid) as answered:
            ca.say(report(ca, "web9", keys[0], ended=(own, named)), m.Done, "web")
        answers.add((answered.value.code, answered.value.message, answered.value.hint))
    assert len(answers) == 1
    assert "host-report" not in ca.kinds()
    ca.say(report(ca, "web9", keys[0], ended=(own,)), m.Done, "web")


def doctors_warnings(ca: Installation) -> list[str]:
    """What ``ssh-jit-ca doctor`` says of hosts."""
    with serving_sockets(ca, frozenset({os.getuid()})):
        findings = doctor.examine(ca.config, lambda: ca.context.clock, ca.places)
    return [finding.message for finding in findings if finding.area == "hosts"]


def test_a_host_is_certified_until_the_first_of_its_keys_is_not(ca: Installation, keys: tuple[Path, ...]) -> None:
    """One of its keys is renewed, and another one never."""
    ca.say(join(ca, "web9", invited(ca), keys), m.HostReply, "web")

    def until() -> int:
        return dict(ca.say(m.ReadHosts(None), m.HostsReply, "admin").certified)["web9"]

    first = until()
    assert doctors_warnings(ca) == []
    ca.later(3 * 24 * 3600)
    ca.say(renew(ca, "web9", keys[:1]), m.HostReply, "web")
    assert until() == first
    ca.later(6 * 24 * 3600)
    ca.say(renew(ca, "web9", keys[:1]), m.HostReply, "web")
    assert until() == 0


def test_the_operator_reads_until_when_hosts_are_certified_and_who_does_not_renew(
    ca: Installation, keys: tuple[Path, ...]
) -> None:
    begun = int(ca.time)
    ca.say(join(ca, "web9", invited(ca), keys), m.HostReply, "web")
    day = 24 * 3600

    def standing() -> tuple[int | None, tuple[str, ...]]:
        hosts = ca.say(m.ReadHosts(None), m.HostsReply, "admin")
        ending = ca.say(m.Status(), m.StatusReply, "admin").hosts_ending
        assert all((name, end) in hosts.certified for name, end in ending)
        assert ca.say(m.ReadHosts(ca.native(ALICE)), m.HostsReply, "web").certified == hosts.certified, "people too"
        return dict(hosts.certified).get("web9"), tuple(name for name, _ in ending)

    end, ending = standing()
    assert end is not None
    assert begun + 6 * day < end <= begun + 8 * day
    assert ending == ()
    ca.later(5 * day)
    assert standing() == (end, ("web9",))
    assert "web9: NOT RENEWED" in show.status(ca.say(m.Status(), m.StatusReply, "admin"))
    (said,) = doctors_warnings(ca)
    assert said.startswith("web9 does not renew its certificates, which end at 20")
    ca.say(renew(ca, "web9", keys), m.HostReply, "web")
    assert standing()[1] == ()
    ca.later(9 * day)
    ca.native(ALICE)
    assert standing() == (0, ("web9",)), "it has ended, and was forgotten"
    assert doctors_warnings(ca) == ["web9 does not renew its certificates, which have ended"]
    assert "no more" in show.hosts(ca.say(m.ReadHosts(None), m.HostsReply, "admin"))
