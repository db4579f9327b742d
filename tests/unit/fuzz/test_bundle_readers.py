"""One bundle, three readers: what a host believes, the core and the client read, and in the same way."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sshjit import bundle, sshkey
from sshjit.errors import Invalid, Refused, SshJitError
from sshjit_client import trusted_bundle
from sshjit_host.errors import BundleRefused, TooOld
from sshjit_host.formats import bundle as host_bundle
from sshjit_host.formats import krl, strictjson
from tests.fuzz.openssh_targets import lines, revocation_lists
from tests.fuzz.targets import within
from tests.fuzz.text_targets import bundle_texts
from tests.support.bundle_cases import CASES, TOO_OLD, Case
from tests.unit.sshjit.core_world import json_values

FIELDS: dict[str, Any] = json.loads(bundle_texts()[0])
NOT_THE_HOSTS = {"providers"}
"""What concerns laptops alone: a host does not look into it."""
KEYS = [" ".join(line.decode().split()[:2]) for line in lines("*.pub")]
odd_keys = st.sampled_from([*KEYS, f"{KEYS[0]} comment", KEYS[0][:-4], KEYS[0].replace(" ", "  "), "", "ssh-dss AAAA"])
odd_numbers = st.integers(-2, 3) | st.sampled_from([2**53, 2**53 - 1, 2**63, 2**64, 1_800_000_000, 1_800_086_400])
odd_texts = st.sampled_from(["lab", "Lab", "", "l" * 70, "lab\n", "l\u00e4b", "req-0123456789"])
odd_lists = st.lists(odd_keys, max_size=3) | st.lists(st.tuples(odd_texts, odd_numbers), max_size=2)
odd_lists_of_bytes = st.sampled_from(["", "====", "AAAA", *(FIELDS["krl"][:cut] for cut in (4, 8, 40))])
values = st.one_of(odd_keys, odd_numbers, odd_texts, odd_lists, odd_lists_of_bytes, json_values)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.dictionaries(st.sampled_from(sorted(FIELDS)), values, max_size=2), loose=st.integers(0, 9))
def test_t49_what_a_host_believes_the_others_read_alike(changes: dict[str, Any], loose: int) -> None:
    separators = (", ", ": ") if loose == 9 else (",", ":")
    text = json.dumps(FIELDS | changes, sort_keys=True, separators=separators)
    try:
        host = host_bundle.read(text)
    except BundleRefused:
        host = None
    try:
        core = bundle.read(text)
        root = trusted_bundle.root_of(text)
    except SshJitError:
        core = None
    if host is not None and core is not None:
        assert (host.installation, host.sequence, host.issued, host.expires) == (
            core.installation, core.sequence, core.issued, core.expires)  # fmt: skip
        assert (host.root.line, root.line) == (core.root, core.root)
        assert [key.line for key in (*host.user_ca, *host.host_ca)] == [*core.user_ca, *core.host_ca]
        assert (host.ended, host.extended, host.revoked.data) == (core.ended, core.extended, b64decode(core.krl))
    if not changes.keys() & NOT_THE_HOSTS:
        assert (host is None) == (core is None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_t31_t49_every_reader_judges_alike(case: Case) -> None:
    text = json.dumps(FIELDS | case.change, sort_keys=True, separators=(",", ":"))
    if not case.code:
        assert bundle.krl_of(bundle.read(text)) == host_bundle.read(text).revoked.data
        return
    with pytest.raises(Invalid) as refused:
        bundle.read(text)
    assert refused.value.code == case.code
    with pytest.raises(BundleRefused):
        host_bundle.read(text)


@pytest.mark.parametrize("change", TOO_OLD)
def test_t87_a_reader_that_is_too_old_says_what_to_upgrade_to(change: dict[str, Any]) -> None:
    text = json.dumps(FIELDS | change, sort_keys=True, separators=(",", ":"))
    for read, error, program in ((bundle.read, Refused, "ssh-jit"), (host_bundle.read, TooOld, "ssh-jit-host")):
        with pytest.raises(error, match=f"this {program} is too old for the bundle, which ") as caught:
            read(text)
        assert getattr(caught.value, "hint", "") == f"upgrade {program} to 9.9.9 or newer"


@pytest.mark.parametrize("release", ["\x1b[2J", "a b", "", "9" * 40, "9\n"])
def test_t29_the_release_that_a_bundle_names_is_shown_only_if_it_is_one(release: str) -> None:
    text = json.dumps(FIELDS | {"bundle": 3, "release": release}, sort_keys=True, separators=(",", ":"))
    with pytest.raises(TooOld) as caught:
        host_bundle.read(text)
    assert caught.value.hint == "upgrade ssh-jit-host to the CA's release or newer"


@pytest.mark.parametrize("number", ["9" * 4000, "9" * 2_000_000, f"-{2**63 + 1}", f"{2**63}"], ids=len)
def test_a_number_without_end_is_refused_at_once(number: str) -> None:
    with within(), pytest.raises(ValueError, match="too large"):
        strictjson.loads(f'{{"sequence":{number}}}')


def test_the_bundle_is_read_by_all_three() -> None:
    text = bundle_texts()[0].decode()
    assert host_bundle.read(text).root.line == bundle.read(text).root == trusted_bundle.root_of(text).line
    assert sshkey.parse_line(FIELDS["root"]).line == FIELDS["root"]
    assert all(krl.read(each).data == each for each in revocation_lists())
