"""The profile, sealed with a real signature and judged by ``ssh-keygen -L``: it says what was decided, and no more."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import ssh as ssh_format
from hypothesis import given
from hypothesis import strategies as st

from sshjit import profile, sshcert, sshkey
from sshjit.errors import Invalid, Refused
from sshjit.profile import Issue, UserTerms
from sshjit.sshcert import Certificate
from sshjit.sshwire import string, text
from tests.unit.sshjit.core_world import KEYS, attempt, keygen, quick, vector

CA = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
CA_KEY = sshkey.parse_blob(text("ssh-ed25519") + string(CA.public_key().public_bytes_raw()))
NOW = 1_800_000_000
ISSUE = Issue(NOW, 2**40 + 7, bytes(32), CA_KEY, 900)
TERMS = UserTerms(
    grant="req-0123456789",
    subject="sub-0123456789",
    person="acme/alice@example.com",
    login="deploy",
    host_ids=("web1", "web2~2"),
    command=None,
    forwarding=(),
    source=(),
    verify_required=False,
    lifetime=300,
    grant_ends=NOW + 3600,
    login_ends=NOW + 7200,
)
KEY = sshkey.parse_line(vector("ed25519"))
SK = sshkey.parse_line(vector("sk-ed25519"))


def terms(**change: Any) -> UserTerms:
    return dataclasses.replace(TERMS, **change)


def made(key: sshkey.PublicKey = KEY, **change: Any) -> Certificate:
    return profile.user_certificate(terms(**change), key, ISSUE)


def sealed(certificate: Certificate) -> str:
    signed = sshcert.encode(certificate)
    return sshcert.line(sshcert.seal(signed, text("ssh-ed25519") + string(CA.sign(signed))))


def judged(certificate: Certificate, folder: Path) -> dict[str, Any]:
    """What ``ssh-keygen -L`` says of the sealed certificate: single lines by label, sections as lists."""
    (folder / "made-cert.pub").write_text(sealed(certificate))
    found: dict[str, Any] = {}
    label = ""
    for line in keygen("-L", "-f", folder / "made-cert.pub").splitlines()[1:]:
        if line.startswith(" " * 16):
            found[label] = [*(found[label] or []), line.strip()]
        else:
            label, _, value = line.strip().partition(":")
            found[label] = value.strip()
    return found


def stamp(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@pytest.mark.parametrize("name", KEYS)
def test_t7_openssh_sees_what_was_decided_for_every_type_of_key(name: str, tmp_path: Path) -> None:
    key = sshkey.parse_line(vector(name))
    shown = judged(made(key), tmp_path)
    assert shown.pop("Public key").split()[1] == key.fingerprint
    grant = "".join(f"{byte:02x}" for byte in text(f"req-0123456789 {NOW + 3600}"))
    assert shown.pop("Extensions") == [f"grant@ssh-jit UNKNOWN OPTION: {grant} (len {len(grant) // 2})", "permit-pty"]
    assert shown == {
        "Type": f"{sshcert.certificate_type(key.type)} user certificate",
        "Signing CA": f"ED25519 {CA_KEY.fingerprint} (using ssh-ed25519)",
        "Key ID": '"req-0123456789 sub-0123456789 acme/alice@example.com"',
        "Serial": str(2**40 + 7),
        "Valid": f"from {stamp(NOW - 60)} to {stamp(NOW + 300)}",
        "Principals": ["deploy@web1", "deploy@web2~2"],
        "Critical Options": "(none)",
    }


def test_t5_what_policy_sets_is_in_the_certificate(tmp_path: Path) -> None:
    decided = made(
        SK,
        command="/opt/app/bin/migrate --to 'x y'",
        source=("192.0.2.0/24", "2001:db8::1"),
        verify_required=True,
        forwarding=("x11", "agent", "port"),
    )
    shown = judged(decided, tmp_path)
    assert shown["Critical Options"] == [
        "force-command /opt/app/bin/migrate --to 'x y'",
        "source-address 192.0.2.0/24,2001:db8::1",
        "verify-required",
    ]
    assert [line.split()[0] for line in shown["Extensions"]] == [
        "grant@ssh-jit",
        "permit-X11-forwarding",
        "permit-agent-forwarding",
        "permit-port-forwarding",
    ]


def test_a_certificate_for_a_bastion_passes_through_to_one_host_and_does_nothing_else(tmp_path: Path) -> None:
    decided = terms(source=("192.0.2.0/24",), forwarding=("agent", "x11"), command="/bin/id", verify_required=True)
    shown = judged(profile.bastion_certificate(decided, "web2~2", "gate", SK, ISSUE), tmp_path)
    assert shown["Principals"] == ["via/web2~2@gate"]
    assert [line.split()[0] for line in shown["Extensions"]] == ["grant@ssh-jit", "permit-port-forwarding"]
    command, *others = shown["Critical Options"]
    assert others == ["source-address 192.0.2.0/24", "verify-required"]
    run = subprocess.run(["sh", "-c", command.removeprefix("force-command ")], capture_output=True, check=False)
    assert (run.returncode, run.stdout) == (1, b"")
    assert b"only opens the way to web2~2" in run.stderr
    ordinary = profile.user_certificate(decided, SK, ISSUE)
    made_for_bastion = profile.bastion_certificate(decided, "web2~2", "gate", SK, ISSUE)
    assert (made_for_bastion.valid_after, made_for_bastion.valid_before) == (
        ordinary.valid_after,
        ordinary.valid_before,
    )


@pytest.mark.parametrize(("target", "bastion"), [("web1", "ga te"), ("web1@x", "gate"), ("we/b", "gate"), ("", "gate")])
def test_t2_a_passage_has_one_target_and_one_bastion(target: str, bastion: str) -> None:
    with pytest.raises(Invalid):
        profile.bastion_certificate(TERMS, target, bastion, KEY, ISSUE)


def test_another_parser_and_a_real_signature_agree() -> None:
    other = ssh_format.load_ssh_public_identity(sealed(made()).encode())
    assert isinstance(other, ssh_format.SSHCertificate)
    other.verify_cert_signature()
    assert (other.serial, other.valid_principals) == (2**40 + 7, [b"deploy@web1", b"deploy@web2~2"])
    assert (other.valid_after, other.valid_before) == (NOW - 60, NOW + 300)
    form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    assert other.public_key().public_bytes(*form).decode() == KEY.line


@quick
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**6))
def test_t4_t10_no_certificate_outlives_any_of_its_four_ends(life: int, grant: int, login: int, ceiling: int) -> None:
    issue = dataclasses.replace(ISSUE, ceiling=ceiling)
    asked = terms(lifetime=life, grant_ends=NOW + grant, login_ends=NOW + login)
    certificate = profile.user_certificate(asked, KEY, issue)
    assert certificate.valid_before == NOW + min(life, grant, login, ceiling)
    assert certificate.valid_after == NOW - 60


@pytest.mark.parametrize("change", [{"grant_ends": NOW}, {"login_ends": NOW}, {"grant_ends": 0}, {"login_ends": -1}])
def test_t4_nothing_is_signed_after_the_end(change: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        made(**change)
    assert caught.value.code in ("grant_over", "login_over")


@pytest.mark.parametrize("lifetime", [0, -1, -(2**40)])
def test_t4_no_life_at_all_does_not_mean_for_ever(lifetime: int) -> None:
    with pytest.raises(Invalid):
        made(lifetime=lifetime)


@pytest.mark.parametrize(
    "hosts", [(), ("",), ("web1", ""), ("web1", "web1"), tuple(f"h{number}" for number in range(257))]
)
def test_t1_no_principals_blank_ones_or_too_many(hosts: tuple[str, ...]) -> None:
    with pytest.raises(Invalid):
        made(host_ids=hosts)


HOSTILE = ["", "a,root", "a\nroot", "a\0", "a root", "-a", "\N{CYRILLIC SMALL LETTER A}", "a@b", "*", "a:b"]


@pytest.mark.parametrize("bad", HOSTILE, ids=ascii)
def test_t2_t51_t54_no_name_becomes_two_or_a_pattern(bad: str) -> None:
    changes: list[dict[str, Any]] = [
        {"login": bad},
        {"host_ids": (bad,)},
        {"host_ids": ("web1", bad)},
        {"grant": bad},
        {"source": (bad,)},
    ]
    for change in changes:
        with pytest.raises(Invalid):
            made(**change)
    for names in ((bad,), ("web1", bad)):
        with pytest.raises(Invalid):
            profile.host_certificate(names[0], names[1:], KEY, ISSUE)


@pytest.mark.parametrize("source", ["10.0.0.0/8,0.0.0.0/0", "10.0.0.1/8", "!10.0.0.1", "unknown", "10.0.0.0/8 "])
def test_t2_t5_a_source_is_one_network(source: str) -> None:
    with pytest.raises(Invalid):
        made(source=(source,))


def test_only_what_can_be_forwarded_is_forwarded() -> None:
    for forwarding in (("pty",), ("agent", "agent"), ("",)):
        with pytest.raises(Invalid):
            made(forwarding=forwarding)


@pytest.mark.parametrize("name", [name for name in KEYS if not name.startswith("sk-")])
def test_t8_verify_required_is_only_for_keys_that_can_obey(name: str) -> None:
    with pytest.raises(Refused) as caught:
        made(sshkey.parse_line(vector(name)), verify_required=True)
    assert caught.value.code == "hardware_key_needed"


@pytest.mark.parametrize("command", ["", "a\nb", "a\0b", "caf\u00e9", "x" * 1001])
def test_t5_a_bad_command_is_not_dropped_but_refused(command: str) -> None:
    with pytest.raises(Invalid):
        made(command=command)


@quick
@given(st.text(max_size=300), st.text(max_size=300))
def test_t9_a_key_id_is_short_printable_ascii_on_one_line(subject: str, person: str) -> None:
    found = profile.key_id("req-0123456789", subject, person)
    assert re.fullmatch(r"[ -~]{1,200}", found)
    assert found.startswith("req-0123456789 ")
    assert found.count(" ") <= 2
    assert not set('"\\()') & set(found)


def test_t9_a_key_id_is_cut_where_sshd_s_line_would_end() -> None:
    whole = profile.key_id("req-0123456789", "sub-0123456789", "acme/" + "a" * 300)
    assert len(whole) == 200
    assert whole.startswith("req-0123456789 sub-0123456789 acme/aaa")


def test_t3_the_same_name_at_two_providers_is_two_subjects_in_the_log() -> None:
    ids = {
        made(subject=subject, person=f"{at}/bob").key_id
        for subject, at in (("sub-aaaaaaaa", "acme"), ("sub-bbbbbbbb", "partner"))
    }
    assert len(ids) == 2


def test_t54_a_host_certificate_names_exactly_the_host(tmp_path: Path) -> None:
    shown = judged(
        profile.host_certificate("web1", ("web1.example.com", "192.0.2.1", "2001:db8::1"), KEY, ISSUE), tmp_path
    )
    assert shown["Type"].endswith("host certificate")
    assert shown["Principals"] == ["web1", "web1.example.com", "192.0.2.1", "2001:db8::1"]
    assert shown["Valid"] == f"from {stamp(NOW - 60)} to {stamp(NOW + 7 * 86400)}"
    assert (shown["Critical Options"], shown["Extensions"], shown["Key ID"]) == ("(none)", "(none)", '"host web1"')


@quick
@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=3), st.text(max_size=20))
def test_t1_t2_whatever_comes_in_no_other_principal_comes_out(login: str, hosts: list[str], person: str) -> None:
    found = attempt(made, login=login, host_ids=tuple(hosts), person=person)
    if not isinstance(found, Invalid):
        assert found.principals == tuple(f"{login}@{host}" for host in hosts)
        assert all(re.fullmatch(r"[a-z0-9_-]+@[a-z0-9.~-]+", each) for each in found.principals)
