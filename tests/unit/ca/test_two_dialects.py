"""Post-quantum certificates beside the others: who gets which, and that nobody loses what they had, forth and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit import krl, sshcert, sshkey
from sshjit import login as binding
from sshjit.errors import Invalid, Refused
from sshjit_ca.access import host_statements
from sshjit_ca.keys import files, signatures, sshsig
from tests.support.installation import ALICE, Installation, make_key
from tests.support.keyring import activate, add, listed, retire, whole
from tests.support.published_bundle import newest
from tests.support.signatures import lines_of, report

PQ = sshkey.MLDSA44_ED25519
SETTLE = 3600


def started(ca: Installation, *purposes: str) -> m.KeyView:
    """Adds a post-quantum key for each purpose and gives it its turn, as an operator does; the last one."""
    for purpose in purposes or ("user_ca",):
        key = add(ca, purpose, "mldsa44-ed25519")  # type: ignore[arg-type]
        newest(ca, 2)
        ca.later(SETTLE)
        key = activate(ca, key)
    return key


def native(ca: Installation, *reads: str) -> str:
    """Alice's sign-in on a laptop whose ssh shows these types too."""
    reply = ca.say(replace(ca.native_message(ALICE), reads=reads), m.LoginReply)
    ca.logins[reply.login.id] = reply.login
    return reply.login.id


def enrolled(ca: Installation, name: str, reads: tuple[str, ...] | None) -> None:
    """A host that said what its sshd reads; ``None``: it reported, and did not say."""
    keys = (make_key(ca.home / f"host-{name}"),)
    labels = (("env", "staging"),)
    ca.say(m.AddHost(name, (), "127.0.0.1", 22, labels, lines_of(keys)), m.HostReply, "admin")
    say_reads(ca, name, reads, keys)


def say_reads(ca: Installation, name: str, reads: tuple[str, ...] | None, keys: tuple[Path, ...] | None = None) -> None:
    ca.later(10)
    keys = keys or (make_key(ca.home / f"host-{name}"),)
    ca.say(report(ca, name, keys[0], reads=reads), m.Done)


def renewal(ca: Installation, name: str, keys: tuple[Path, ...]) -> m.SignHost:
    """What a host sends, signed by keys that the machine's ssh-keygen need not know."""
    signers = [files.load(key) for key in keys]
    unsigned = m.SignHost(name, tuple(signer.public.line for signer in signers), int(ca.time), ())
    text = host_statements.renew_proof(ca.config.installation, unsigned)
    made = tuple(sshsig.sign(signer, host_statements.RENEW_NAMESPACE, text) for signer in signers)
    return replace(unsigned, signatures=made)


def drawn(ca: Installation, login: str, *hosts: str, **changed: Any) -> m.CertificateView:
    reply = ca.ask(login, hosts[0], hosts=hosts, **changed)
    assert reply.certificate is not None, reply.notes
    return reply.certificate


def by(ca: Installation, line: str) -> str:
    """The dialect of the CA that signed, whose signature is checked."""
    certificate, signed, signature = sshcert.parse_line(line)
    for dialect in (False, True):
        for key in ca.context.keys.trusted("user_ca", post_quantum=dialect):
            if key.blob == certificate.ca_blob:
                signatures.verify(key, signed, signature)
                return "post-quantum" if dialect else "classical"
    raise AssertionError("nobody's")


def dialects(ca: Installation, view: m.CertificateView) -> list[str]:
    return [by(ca, line) for line in (view.text, *([view.post_quantum.text] if view.post_quantum else []))]


def test_it_is_off_until_an_operator_adds_a_key(ca: Installation) -> None:
    assert newest(ca, 2).post_quantum is None
    view = drawn(ca, native(ca, PQ), "web1")
    assert dialects(ca, view) == ["classical"]
    assert view.routes[0].post_quantum == "no"


def test_a_key_is_told_apart_from_the_others_and_signs_when_it_has_settled(ca: Installation) -> None:
    old = ca.context.keys.public("user_ca")
    key = add(ca, "user_ca", "mldsa44-ed25519")
    bundle = newest(ca, 2)
    assert bundle.user_ca == (old.line,), "nothing of it stands where an older reader looks"
    assert bundle.post_quantum is not None
    assert bundle.post_quantum.user_ca == (key.line,)
    assert newest(ca, 1).post_quantum is None
    login = native(ca, PQ)
    assert dialects(ca, drawn(ca, login, "web1")) == ["classical"]
    with pytest.raises(Invalid) as early:
        activate(ca, key)
    assert early.value.code == "too_early"
    ca.later(SETTLE)
    activate(ca, key)
    assert listed(ca, "user_ca") == {old.fingerprint: "active", key.fingerprint: "active"}
    assert ca.context.keys.public("user_ca") == old, "the other key goes on"
    ca.restart()
    assert listed(ca, "user_ca") == {old.fingerprint: "active", key.fingerprint: "active"}
    assert whole(ca) == ()


@pytest.mark.parametrize(
    ("reads", "word", "laptop", "expected"),
    [
        ((PQ,), "yes", (PQ,), ["post-quantum"]),
        ((PQ,), "yes", (), ["classical"]),
        ((), "no", (PQ,), ["classical"]),
        (None, "no", (PQ,), ["classical"]),
        (("ssh-made-up@example.com",), "no", (PQ,), ["classical"]),
        ((PQ,), "yes", ("ssh-made-up@example.com",), ["classical"]),
    ],
)
def test_a_host_gets_what_it_said_that_it_reads(
    ca: Installation, reads: tuple[str, ...] | None, word: str, laptop: tuple[str, ...], expected: list[str]
) -> None:
    started(ca)
    enrolled(ca, "new1", reads)
    view = drawn(ca, native(ca, *laptop), "new1")
    assert dialects(ca, view) == expected
    assert view.routes[0].post_quantum == word


def test_a_host_that_never_said_anything_gets_both(ca: Installation) -> None:
    """``web1`` never reported: of whatever age it is, one of the two gets in."""
    started(ca)
    view = drawn(ca, native(ca, PQ), "web1")
    assert dialects(ca, view) == ["classical", "post-quantum"]
    assert view.routes[0].post_quantum == "unknown"
    assert view.post_quantum is not None
    first, second = (sshcert.parse_line(line)[0] for line in (view.text, view.post_quantum.text))
    same: dict[str, Any] = {"serial": 1, "ca_blob": b"", "nonce": b"n" * 32}
    assert replace(first, **same) == replace(second, **same), "they say the same"
    assert (first.serial, second.serial) == (view.serial, view.post_quantum.serial)


def test_a_request_draws_one_certificate_for_each_dialect_among_its_hosts(ca: Installation) -> None:
    started(ca)
    enrolled(ca, "new1", (PQ,))
    enrolled(ca, "old1", ())
    login = native(ca, PQ)
    both = drawn(ca, login, "new1", "old1")
    assert dialects(ca, both) == ["classical", "post-quantum"]
    assert {route.host: route.post_quantum for route in both.routes} == {"new1": "yes", "old1": "no"}
    serials = [both.serial, both.post_quantum.serial if both.post_quantum else 0]
    assert ca.kinds()[-2:] == ["certificate", "certificate"]
    assert [serial % 2**40 for serial in serials] == [len(ca.kinds()) - 2, len(ca.kinds()) - 1]
    known = ca.context.state.certificates
    assert [known[serial].post_quantum for serial in serials] == [False, True]
    assert {known[serial].request for serial in serials} == {both.request}


def test_both_serials_are_revoked_and_each_list_names_its_own_ca(ca: Installation) -> None:
    key = started(ca)
    view = drawn(ca, native(ca, PQ), "web1")
    assert view.post_quantum is not None
    ca.say(m.Revoke(None, view.request, None, None, "x"), m.RevokeReply, "admin")
    serials = {view.serial, view.post_quantum.serial}
    assert serials <= ca.context.state.revoked.keys()
    bundle = newest(ca, 2)
    assert bundle.post_quantum is not None
    apart, rest = krl.decode(bundle.post_quantum.krl), krl.decode(bundle.krl)
    blob = sshkey.parse_line(key.line, post_quantum=True).blob
    assert (blob in apart, blob in rest) == (True, False)
    for serial in serials:
        assert serial.to_bytes(8, "big") in apart or view.serial + 1 in serials
    assert krl.read(apart, post_quantum=True) == frozenset()
    assert newest(ca, 1).krl == bundle.krl
    assert [grant for grant, _ in bundle.ended] == [view.request]


def test_a_host_of_post_quantum_alone_is_so_by_its_word_and_the_operators(ca: Installation) -> None:
    key = started(ca)
    enrolled(ca, "new1", ())
    change = m.ChangeHost("new1", None, None, dry_run=False, post_quantum_only=True)
    for name in ("new1", "web1"):
        with pytest.raises(Refused) as unread:
            ca.say(replace(change, name=name), m.HostReply, "admin")
        assert unread.value.code == "post_quantum_unread"
    say_reads(ca, "new1", (PQ,))
    ca.say(replace(change, dry_run=True), m.HostReply, "admin")
    assert newest(ca, 2).post_quantum.only == ()  # type: ignore[union-attr]
    assert ca.say(change, m.HostReply, "admin").host.post_quantum == "only"
    assert newest(ca, 2).post_quantum.only == ("new1",)  # type: ignore[union-attr]
    with pytest.raises(Refused) as older:
        drawn(ca, native(ca), "new1")
    assert older.value.code == "post_quantum_only"
    assert "OpenSSH 10.6" in older.value.hint
    assert ca.kinds()[-1] == "refusal", "before anything was granted"
    assert dialects(ca, drawn(ca, native(ca, PQ), "new1")) == ["post-quantum"]
    with pytest.raises(Invalid) as needed:
        ca.say(m.DeactivateKey("user_ca", key.fingerprint), m.KeyReply, "admin")
    assert needed.value.code == "post_quantum_hosts"
    ca.say(replace(change, post_quantum_only=False), m.HostReply, "admin")
    assert dialects(ca, drawn(ca, native(ca), "new1")) == ["classical"]
    assert whole(ca) == ()


def test_going_back_refuses_nobody(ca: Installation) -> None:
    key = started(ca)
    enrolled(ca, "new1", (PQ,))
    login = native(ca, PQ)
    first = drawn(ca, login, "new1")
    assert dialects(ca, first) == ["post-quantum"]
    with pytest.raises(Invalid, match="signs for user_ca") as active:
        retire(ca, "user_ca", key.fingerprint)
    assert "deactivate" in active.value.hint
    classical = ca.context.keys.public("user_ca")
    with pytest.raises(Invalid) as only:
        ca.say(m.DeactivateKey("user_ca", classical.fingerprint), m.KeyReply, "admin")
    assert only.value.code == "key_needed"
    assert ca.say(m.DeactivateKey("user_ca", key.fingerprint), m.KeyReply, "admin").key.state == "retiring"
    again = ca.say(m.SignUser(login, first.request), m.CertificateReply).certificate
    assert dialects(ca, again) == ["classical"]
    assert newest(ca, 2).post_quantum.user_ca == (key.line,)  # type: ignore[union-attr]
    with pytest.raises(Invalid) as alive:
        retire(ca, "user_ca", key.fingerprint)
    assert alive.value.code == "still_alive"
    ca.later(3600)
    retire(ca, "user_ca", key.fingerprint)
    assert newest(ca, 2).post_quantum is None
    ca.restart()
    assert listed(ca, "user_ca") == {classical.fingerprint: "active", key.fingerprint: "retired"}
    assert whole(ca) == ()


def test_one_post_quantum_key_follows_another_as_any_key_does(ca: Installation) -> None:
    first = started(ca)
    view = drawn(ca, native(ca, PQ), "web1")
    second = started(ca)
    states = listed(ca, "user_ca")
    assert (states[first.fingerprint], states[second.fingerprint]) == ("retiring", "active")
    assert list(states.values()).count("active") == 2
    assert view.post_quantum is not None
    assert by(ca, view.post_quantum.text) == "post-quantum", "what the first one signed is believed on"
    retire(ca, "user_ca", first.fingerprint, now=True)
    bundle = newest(ca, 2)
    assert bundle.retired == ()
    assert bundle.post_quantum is not None
    assert bundle.post_quantum.retired == (first.line,)
    blob = sshkey.parse_line(first.line, post_quantum=True).blob
    assert krl.read(krl.decode(bundle.post_quantum.krl), post_quantum=True) == {blob}


@pytest.mark.parametrize("purpose", ["log", "bundle"])
def test_what_hosts_verify_by_their_own_ssh_keygen_stays_classical(ca: Installation, purpose: Any) -> None:
    with pytest.raises(Invalid) as refused:
        add(ca, purpose, "mldsa44-ed25519")
    assert refused.value.code == "bad_key_type"
    assert list(ca.config.key_file(purpose).parent.glob(f"{purpose}.2*")) == [], "and no file is left"


def test_a_post_quantum_login_key_reaches_hosts_that_are_known_to_read_it(ca: Installation) -> None:
    started(ca)
    enrolled(ca, "new1", (PQ,))
    key = ca.home / "pq"
    files.make(key, "mldsa44-ed25519")
    signer = files.load(key)
    salt = b"s" * 16
    token = ca.token(ALICE, "ssh-jit-cli", binding.nonce(signer.public.blob, salt))
    signature = sshsig.sign(signer, binding.NAMESPACE, binding.signed_text(token))
    message = m.LoginNative(
        "acme", token, signer.public.line, binding.b64url(salt), signature, "192.0.2.7", reads=(PQ,)
    )
    login = ca.say(message, m.LoginReply).login
    assert login.reads == (PQ,)
    view = drawn(ca, login.id, "new1")
    assert view.text.startswith("ssh-mldsa44-ed25519-cert ")
    assert dialects(ca, view) == ["post-quantum"]
    with pytest.raises(Refused) as unknown:
        drawn(ca, login.id, "web1")
    assert unknown.value.code == "post_quantum_key"
    assert "ed25519" in unknown.value.hint
    wrong = replace(message, id_token=ca.token(ALICE, "ssh-jit-cli", binding.nonce(signer.public.blob, salt), iat=1))
    with pytest.raises((Refused, Invalid)):
        ca.say(wrong, m.LoginReply)


def test_a_host_proves_a_post_quantum_key_beside_its_others(ca: Installation) -> None:
    """Before there is a CA for it, it is left out; then that one certifies it, and the other one the others."""
    keys = (make_key(ca.home / "host-new1"),)
    labels = (("env", "staging"),)
    ca.say(m.AddHost("new1", (), "127.0.0.1", 22, labels, lines_of(keys)), m.HostReply, "admin")
    files.make(ca.home / "pq-host", "mldsa44-ed25519")
    both = (*keys, ca.home / "pq-host")
    reply = ca.say(renewal(ca, "new1", both), m.HostReply)
    assert (len(reply.certificates), reply.left_out) == (1, (PQ,))
    started(ca, "host_ca")
    ca.later(120)
    reply = ca.say(renewal(ca, "new1", both), m.HostReply)
    assert reply.left_out == ()
    certificates = [sshcert.parse_line(line)[0] for line in reply.certificates]
    trusted = [ca.context.keys.trusted("host_ca", post_quantum=dialect)[0].blob for dialect in (False, True)]
    assert [certificate.ca_blob for certificate in certificates] == trusted
    assert ca.context.state.hosts["new1"].host_keys == tuple(files.load(key).public.line for key in both)
    assert "host-key" in ca.kinds()
    files.make(ca.home / "pq-other", "mldsa44-ed25519")
    ca.later(120)
    with pytest.raises(Refused) as second:
        ca.say(renewal(ca, "new1", (*keys, ca.home / "pq-other")), m.HostReply)
    assert second.value.code == "unknown_host_key"
    line = files.load_public(ca.home / "pq-other").line
    with pytest.raises(Invalid) as alone:
        ca.say(m.AddHost("new2", (), "127.0.0.2", 22, labels, (line,)), m.HostReply, "admin")
    assert alone.value.code == "bad_key_type"
    assert whole(ca) == ()


def test_the_log_names_the_dialect_for_people_and_for_their_tools(ca: Installation) -> None:
    started(ca)
    view = drawn(ca, native(ca, PQ), "web1")
    assert view.post_quantum is not None
    entries = ca.say(m.ReadLog(None, None, 50, None), m.LogReply, "admin").entries
    lines = {entry.index: entry.summary for entry in entries if entry.kind == "certificate"}
    assert lines[view.serial % 2**40].startswith(f"certificate {view.serial} for ")
    assert lines[view.post_quantum.serial % 2**40].startswith(f"post-quantum certificate {view.post_quantum.serial} ")


def test_an_emergency_certificate_is_by_the_ca_that_the_host_trusts(ca: Installation) -> None:
    started(ca)
    enrolled(ca, "new1", (PQ,))
    ca.say(m.ChangeHost("new1", None, None, dry_run=False, post_quantum_only=True), m.HostReply, "admin")
    key = make_key(ca.home / "urgent").with_suffix(".pub").read_text()

    def signed(*hosts: str) -> str:
        message = m.SignEmergency("root", hosts, key, "the house burns", 600)
        return by(ca, ca.say(message, m.EmergencyReply, "admin").text)

    assert signed("new1") == "post-quantum"
    assert signed("web1") == "classical"
    with pytest.raises(Invalid) as mixed:
        signed("new1", "web1")
    assert mixed.value.code == "post_quantum_mixed"
    entries = ca.say(m.ReadLog(None, None, 20, None), m.LogReply, "admin").entries
    lines = [entry.summary for entry in entries if entry.kind == "emergency"]
    assert [line.startswith("EMERGENCY post-quantum certificate") for line in lines] == [False, True], "newest first"


@pytest.mark.parametrize(("line", "key"), [("post_quantum = true", False), ("post_quantum_key = true", True)])
def test_a_rule_may_demand_the_post_quantum_ca(ca: Installation, line: str, key: bool) -> None:  # noqa: FBT001
    ca.change_policy('name = "staging"', f'name = "staging"\n{line}')

    def refused(login: str, *hosts: str) -> str:
        with pytest.raises(Refused) as error:
            drawn(ca, login, *hosts)
        assert error.value.code == "post_quantum_needed"
        return f"{error.value.message}; {error.value.hint}"

    login = native(ca, PQ)
    assert "this CA has no such key; the operator adds one" in refused(login, "web1")
    started(ca)
    enrolled(ca, "new1", (PQ,))
    assert "web1 is not known to take one" in refused(login, "web1")
    assert "the ssh of this sign-in does not show one" in refused(native(ca), "new1")
    if key:
        assert "post-quantum login key" in refused(login, "new1")
        return
    assert dialects(ca, drawn(ca, login, "new1")) == ["post-quantum"]
    assert "web1" in refused(login, "new1", "web1")


def test_what_was_granted_before_the_rule_demanded_it_is_asked_for_again(ca: Installation) -> None:
    started(ca)
    enrolled(ca, "new1", (PQ,))
    login = native(ca, PQ)
    before = drawn(ca, login, "web1")
    ca.change_policy('name = "staging"', 'name = "staging"\npost_quantum = true')
    with pytest.raises(Refused) as changed:
        ca.say(m.SignUser(login, before.request), m.CertificateReply)
    assert changed.value.code == "policy_changed"
    assert "needs a post-quantum certificate" in changed.value.message
