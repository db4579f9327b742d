"""``host apply``: hundreds of hosts in one message, all or nothing, and who gains and loses by it."""

from __future__ import annotations

import argparse
import base64
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit import events, wire
from sshjit.errors import Invalid
from sshjit_ca.access import hosts
from sshjit_ca.access.inventory import MAX_BYTES, pack
from sshjit_ca.cli import inventory
from sshjit_ca.log import history
from tests.support.installation import ALICE, BOB, DANA, Installation, make_key
from tests.support.published_bundle import revoked
from tests.support.signatures import join, lines_of, renew

DAY = 24 * 3600


def spec(name: str, **changed: Any) -> m.HostSpec:
    fields: dict[str, Any] = {"address": "192.0.2.1", "port": 22, "aliases": (), "labels": (("env", "staging"),)}
    return m.HostSpec(name, **{**fields, **changed})


WEB1 = spec("web1", address="127.0.0.1")
DB1 = spec("db1", address="127.0.0.1", labels=(("env", "prod"), ("role", "db")))
"""The hosts of the installation, as they are."""


def apply(ca: Installation, *specs: m.HostSpec, **options: Any) -> m.ApplyHostsReply:
    fields = {"prune": False, "invite": False, "dry_run": False, "reason": "", **options}
    return ca.say(m.ApplyHosts(pack(specs), **fields), m.ApplyHostsReply, "admin")


def refused(ca: Installation, *specs: m.HostSpec, **options: Any) -> str:
    before = ca.kinds()
    with pytest.raises(Invalid) as error:
        apply(ca, *specs, **options)
    assert ca.kinds() == before, "nothing was changed"
    return f"{error.value.code}: {error.value.message}"


def rights(reply: m.ApplyHostsReply) -> list[tuple[bool, tuple[str, ...], tuple[str, ...], str, str]]:
    return [(each.gains, each.people, each.hosts, each.login, each.action) for each in reply.rights]


def test_hundreds_of_hosts_come_in_one_message_and_are_as_the_inventory_says(ca: Installation) -> None:
    many = [spec(f"web{number}", address=f"192.0.2.{number % 250}", logins=("deploy",)) for number in range(2, 402)]
    reply = apply(ca, WEB1, DB1, *many)
    assert (len(reply.changes), reply.unchanged, reply.tokens) == (400, 2, ())
    assert {each.kind for each in reply.changes} == {"added"}
    assert len(ca.context.state.hosts) == 402
    assert ca.context.state.hosts["web300"].logins == ("deploy",)
    again = apply(ca, WEB1, DB1, *many)
    assert (again.changes, again.unchanged, again.rights) == ((), 402, ())
    assert ca.kinds().count("host") == 402


def test_an_inventory_of_thousands_fits_into_one_message() -> None:
    many = [spec(f"web{number}", address=f"192.0.{number // 250}.{number % 250}") for number in range(5_000)]
    assert len(pack(many)) <= m.MAX_PARTS
    keys = [replace(each, host_keys=(f"ssh-ed25519 {base64.b64encode(bytes(51)).decode()}",)) for each in many[:999]]
    assert len(pack(keys)) <= m.MAX_PARTS


def test_one_mistake_changes_nothing_and_every_mistake_is_told(ca: Installation) -> None:
    told = refused(
        ca,
        spec("web2"),
        spec("10.0.0.5"),
        spec("web3", labels=(("env", "nowhere"),)),
        spec("web4", labels=()),
        spec("web5", port=0),
        spec("web6", address="a b"),
        spec("web7", logins=("a@b",)),
        spec("web8", host_keys=("ssh-ed25519 AAAA",)),
        spec("web2"),
        spec("web9", aliases=("web1",)),
    )
    assert told.startswith("bad_inventory: nothing was changed; the inventory has mistakes:\n")
    for name, what in (
        ("10.0.0.5", "is an address"),
        ("web3", 'the label "env" has no value "nowhere"'),
        ("web4", 'the label "env" is missing'),
        ("web5", "0 is not a port"),
        ("web6", "is not a host name or an IP address"),
        ("web7", "is not an account name"),
        ("web8", ""),
        ("web2", "it is listed twice"),
    ):
        assert any(line.startswith(f"'{name}': ") and what in line for line in told.splitlines()), (name, told)
    assert "web1 would be a name of web1 and of web9" in told
    many = [spec(f"x{number}", port=0) for number in range(30)]
    assert refused(ca, *many).endswith("… and 10 more")


def test_labels_aliases_and_addresses_change_and_it_says_who_gains_and_loses(ca: Installation) -> None:
    alice, dana = ca.native(ALICE), ca.native(DANA)
    ca.native(BOB)
    given = ca.ask(alice, "web1")
    waiting = ca.ask(dana, "db1").request
    swapped = (
        replace(WEB1, labels=DB1.labels, aliases=("web1.lab",), address="192.0.2.7", port=2222),
        replace(DB1, labels=WEB1.labels),
    )
    before = ca.kinds()
    trial = apply(ca, *swapped, dry_run=True)
    assert ca.kinds() == before
    reply = apply(ca, *swapped)
    assert trial == reply
    assert [(each.host, each.kind) for each in reply.changes] == [("web1", "changed"), ("db1", "changed")]
    assert [(each.field, each.before, each.after) for each in reply.changes[0].fields] == [
        ("address", "127.0.0.1 port 22", "192.0.2.7 port 2222"),
        ("aliases", "", "web1.lab"),
        ("labels", "env=staging", "env=prod, role=db"),
    ]
    assert rights(reply) == [
        (True, ("alice@example.com",), ("db1",), "deploy", "shell"),
        (True, ("dana@example.com",), ("web1",), "postgres", "migrate"),
        (True, ("dana@example.com",), ("web1",), "postgres", "shell"),
        (False, ("dana@example.com",), ("db1",), "postgres", "migrate"),
        (False, ("dana@example.com",), ("db1",), "postgres", "shell"),
        (False, ("alice@example.com",), ("web1",), "deploy", "shell"),
    ]
    assert {rule for each in reply.rights for rule in each.rules} == {"staging", "database"}
    assert [each.request for each in reply.closes] == [given.request.id]
    said = [inventory._text(reply, argparse.Namespace(dry_run=dry_run, lines=None)) for dry_run in (True, False)]
    assert ["1 open grant would give no further" in text for text in said] == [True, False]
    assert [each.request for each in reply.ask_again] == [waiting.id]
    host = ca.context.state.hosts["web1"]
    assert (host.aliases, host.address, host.port) == (("web1.lab",), "192.0.2.7", 2222)
    assert ca.context.state.host_names["web1.lab"] == "web1"
    ca.restart()
    assert ca.context.state.hosts["web1"] == host


def test_pruning_removes_what_is_not_named_with_a_reason_and_revokes(ca: Installation) -> None:
    given = ca.ask(ca.native(ALICE), "web1")
    assert given.certificate is not None
    assert apply(ca, DB1).changes == (), "without --prune they stay"
    assert refused(ca, DB1, prune=True).startswith("no_reason")
    trial = apply(ca, DB1, prune=True, dry_run=True)
    assert [(each.host, each.kind) for each in trial.changes] == [("web1", "removed")]
    assert [(each.request, each.code) for each in trial.closes] == [(given.request.id, "host_gone")]
    assert rights(trial) == [(False, ("alice@example.com",), ("web1",), "deploy", "shell")]
    apply(ca, DB1, prune=True, reason="rack 7 is gone")
    assert list(ca.context.state.hosts) == ["db1"]
    assert revoked(ca, given.certificate)
    last = [each for row in ca.store.rows() if isinstance(each := history.read(row), events.HostRemoved)]
    assert [(each.name, each.reason, each.cause) for each in last] == [("web1", "rack 7 is gone", "removed")]


def test_pruning_leaves_hosts_that_joined_by_themselves(ca: Installation) -> None:
    ca.change_policy("required = true", "required = true, by_token = true")
    invited = m.InviteFleet("auto-*", WEB1.labels, ("deploy",), 3, int(ca.time) + DAY, 30 * DAY)
    made = ca.say(invited, m.FleetReply, "admin")
    message = join(ca, "auto-1", made.token, (make_key(ca.home / "auto"),), invitation=made.invitation.id)
    ca.say(message, m.HostReply, "web")
    assert apply(ca, WEB1, DB1, prune=True, reason="x").changes == ()
    assert "auto-1" in ca.context.state.hosts


def test_tokens_are_made_for_new_hosts_only_when_asked(ca: Installation) -> None:
    keys = (make_key(ca.home / "web3"),)
    new = (spec("web2", logins=("deploy",)), spec("web3", host_keys=lines_of(keys)))
    reply = apply(ca, WEB1, DB1, *new, invite=True)
    (token,) = reply.tokens
    assert (token.host, token.logins) == ("web2", ("deploy",))
    assert reply.bundle_root.startswith("SHA256:")
    ca.say(join(ca, "web2", token.token, (make_key(ca.home / "web2"),)), m.HostReply, "web")
    assert ca.say(renew(ca, "web3", keys), m.HostReply, "web").certificates, "its keys are registered by the inventory"
    assert refused(ca, spec("web3", host_keys=lines_of((make_key(ca.home / "other"),)))).startswith("bad_inventory")


def test_t54_a_name_that_certificates_of_another_host_say_goes_to_nobody_else(ca: Installation) -> None:
    """For as long as one of them is alive, its machine could be taken for the other one."""
    keys = (make_key(ca.home / "w"),)
    old = spec("web8", aliases=("shop.lab",), host_keys=lines_of(keys))
    apply(ca, old)
    ca.say(renew(ca, "web8", keys), m.HostReply, "web")
    moved = (replace(old, aliases=()), spec("web9", aliases=("shop.lab",)))
    assert "web9: shop.lab stands in certificates of web8" in refused(ca, *moved)
    apply(ca, moved[0])
    assert "web9: shop.lab stands in certificates of web8" in refused(ca, *moved)
    with pytest.raises(Invalid) as taken:
        ca.say(m.AddHost("web9", ("shop.lab",), "192.0.2.9", 22, WEB1.labels, ()), m.HostReply, "admin")
    assert taken.value.code == "name_taken"
    apply(ca, old)
    assert ca.context.state.former_names == {}, "it may have it back"
    apply(ca, moved[0])
    ca.later(7 * DAY)
    apply(ca, *moved)
    assert ca.context.state.host_names["shop.lab"] == "web9"


def test_a_name_of_a_host_that_is_removed_is_free_at_once(ca: Installation) -> None:
    """Its certificates are revoked."""
    keys = (make_key(ca.home / "w"),)
    apply(ca, WEB1, DB1, spec("web8", aliases=("shop.lab",), host_keys=lines_of(keys)))
    line = ca.say(renew(ca, "web8", keys), m.HostReply, "web").certificates[0]
    apply(ca, WEB1, DB1, spec("web9", aliases=("shop.lab",)), prune=True, reason="replaced")
    assert revoked(ca, line)
    assert ca.context.state.host_names["shop.lab"] == "web9"


def test_aliases_of_hosts_that_have_not_joined_change_places(ca: Installation) -> None:
    apply(ca, spec("web8", aliases=("a.lab",)), spec("web9", aliases=("b.lab",)))
    apply(ca, spec("web8", aliases=("b.lab",)), spec("web9", aliases=("a.lab",)))
    names = ca.context.state.host_names
    assert (names["a.lab"], names["b.lab"]) == ("web9", "web8")
    apply(ca, WEB1, DB1, prune=True, reason="gone")
    assert ca.context.state.host_names.keys() == {"web1", "db1"}


@pytest.mark.parametrize(
    "packed",
    [
        "",
        "!",
        base64.b64encode(b"plain").decode(),
        base64.b64encode(zlib.compress(b"[" + b" " * MAX_BYTES + b"]")).decode(),
        base64.b64encode(zlib.compress(b"[]")[:-3]).decode(),
        base64.b64encode(zlib.compress(b"{}")).decode(),
        base64.b64encode(zlib.compress(b"[1]")).decode(),
        base64.b64encode(zlib.compress(b'[{"name": "web1"}]')).decode(),
    ],
)
def test_what_is_no_packed_inventory_is_refused(ca: Installation, packed: str) -> None:
    message = m.ApplyHosts((packed,), prune=False, invite=False, dry_run=False, reason="")
    with pytest.raises(Invalid) as invalid:
        ca.say(message, m.ApplyHostsReply, "admin")
    assert invalid.value.code in {"bad_inventory", "too_many_hosts", "bad_message"}


TOML = """
[[host]]
name = "web1"
address = "192.0.2.10"
labels = { env = "staging" }

[[host]]
name = "db1"
address = "192.0.2.11"
port = 2222
aliases = ["db1.lab"]
labels = { role = "db", env = "prod" }
logins = ["postgres"]
host_keys = ["ssh-ed25519 AAAA"]
"""
READ = (
    m.HostSpec("web1", "192.0.2.10", 22, (), (("env", "staging"),)),
    m.HostSpec(
        *("db1", "192.0.2.11", 2222, ("db1.lab",), (("env", "prod"), ("role", "db")), ("postgres",)),
        host_keys=("ssh-ed25519 AAAA",),
    ),
)


def test_a_file_is_toml_or_json(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text(TOML)
    assert inventory.read(path) == READ
    hosts = [wire.encode(each) | {"labels": dict(each.labels)} for each in READ]
    hosts[0].pop("logins")
    for value in (hosts, {"host": hosts}):
        path.write_text(json.dumps(value))
        assert inventory.read(path) == READ


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no list of hosts"),
        ("host = []", "holds no list of hosts"),
        ("[]", "holds no list of hosts"),
        (f"{TOML}\n[extra]", "something else beside it"),
        ("[[host]]\nname = 'web1'\nname = 'web2'", "is neither TOML nor JSON"),
        ('[{"name": "web1", "name": "web2"}]', "is neither TOML nor JSON"),
        ("[[host]]\nname = 'web1'", "host 1 ('web1') has no address"),
        ("[[host]]\naddress = '192.0.2.1'", "host 1 has no name"),
        ("[[host]]\nname = 1\naddress = '192.0.2.1'", "host 1: name must be text"),
        ("[[host]]\nname = 'web1'\naddress = 'x'\nport = '22'", "('web1'): port must be a whole number"),
        ("[[host]]\nname = 'web1'\naddress = 'x'\nport = true", "('web1'): port must be a whole number"),
        ("[[host]]\nname = 'web1'\naddress = 'x'\nlabels = ['a']", "('web1'): labels must be a table of texts"),
        ("[[host]]\nname = 'web1'\naddress = 'x'\nlabels = { a = 1 }", "('web1'): labels must be a table of texts"),
        ("[[host]]\nname = 'web1'\naddress = 'x'\nlogins = 'root'", "('web1'): logins must be a list of texts"),
        ("[[host]]\nname = 'web1'\naddress = 'x'\nlables = {}", "('web1') has an unknown field 'lables'"),
        ("host = ['web1']", "host 1 is not a table"),
    ],
)
def test_a_file_that_is_wrong_is_told_by_host_and_field(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "hosts.toml"
    path.write_text(text)
    with pytest.raises(Invalid) as invalid:
        inventory.read(path)
    assert invalid.value.code == "bad_inventory"
    assert told in invalid.value.message


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as missing:
        inventory.read(tmp_path / "none")
    assert (missing.value.code, missing.value.message) == (
        "no_inventory",
        f"{tmp_path}/none: No such file or directory",
    )
    (tmp_path / "latin").write_bytes(b"\xff")
    with pytest.raises(Invalid, match="is not UTF-8"):
        inventory.read(tmp_path / "latin")


def test_a_machine_comes_back_under_another_name_in_the_inventory_that_removes_the_old_one(ca: Installation) -> None:
    """Its keys are the old host's, who is gone by then."""
    keys = (make_key(ca.home / "w"),)
    apply(ca, WEB1, DB1, spec("web8", aliases=("shop.lab",), host_keys=lines_of(keys)))
    line = ca.say(renew(ca, "web8", keys), m.HostReply, "web").certificates[0]
    renamed = spec("shop1", aliases=("shop.lab",), host_keys=lines_of(keys))
    assert "belongs to the host web8" in refused(ca, WEB1, DB1, renamed)
    assert "belongs to the host web8" in refused(ca, WEB1, DB1, renamed, spec("web8"), prune=True, reason="x")
    apply(ca, WEB1, DB1, renamed, prune=True, reason="renamed")
    assert ca.context.state.hosts.keys() == {"web1", "db1", "shop1"}
    assert revoked(ca, line), "what the old name was certified by"
    assert not revoked(ca, ca.say(renew(ca, "shop1", keys), m.HostReply, "web").certificates[0])


def test_two_hosts_of_one_inventory_have_no_key_in_common(ca: Installation) -> None:
    keys = lines_of((make_key(ca.home / "w"),))
    assert "would have the same key" in refused(ca, spec("web8", host_keys=keys), spec("web9", host_keys=keys))


def test_keys_are_looked_up_and_not_searched_for(ca: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search among all hosts for each key of thousands would hold everybody up for minutes."""

    def searched(*_: object) -> None:
        raise AssertionError("all hosts were searched for one key")

    keys = [lines_of((make_key(ca.home / f"k{number}"),)) for number in range(3)]
    apply(ca, spec("web7", host_keys=keys[0]))
    monkeypatch.setattr(hosts, "key_owner", searched)
    assert "belongs to the host web7" in refused(ca, spec("web8", host_keys=keys[0]), spec("web9", host_keys=keys[1]))
    apply(ca, spec("web8", host_keys=keys[2]), spec("web9", host_keys=keys[1]))
