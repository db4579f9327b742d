"""One request for several hosts: each of them is reached by it, as long as all of it may still be had."""

from __future__ import annotations

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Invalid
from tests.support.installation import ALICE, Installation


@pytest.fixture
def login(ca: Installation) -> str:
    """Alice's, where there are three staging hosts."""
    ca.add_host("web2", env="staging")
    ca.add_host("web3", env="staging")
    return ca.native(ALICE)


def ask(ca: Installation, login: str, *hosts: str, labels: tuple[tuple[str, str], ...] = ()) -> m.AskReply:
    message = m.Ask(login, hosts, None, "shell", None, None, "", certificate=True, address="192.0.2.1", labels=labels)
    return ca.say(message, m.AskReply)


def test_a_host_of_several_is_reached_by_their_request(ca: Installation, login: str) -> None:
    first = ask(ca, login, labels=(("env", "staging"),))
    assert first.request.hosts == ("web1", "web2", "web3")
    for hosts in (("web2",), ("web3", "web1")):
        again = ask(ca, login, *hosts)
        assert (again.existing, again.request.id) == (True, first.request.id)
        assert again.certificate is not None
        assert again.certificate.principals == ("deploy@web1", "deploy@web2", "deploy@web3")


def test_a_request_for_fewer_hosts_does_not_reach_more(ca: Installation, login: str) -> None:
    first = ask(ca, login, "web1")
    more = ask(ca, login, "web1", "web2")
    assert not more.existing
    assert more.request.id != first.request.id


def test_when_one_of_them_is_gone_the_others_are_asked_for_anew(ca: Installation, login: str) -> None:
    first = ask(ca, login, "web1", "web2")
    ca.say(m.RemoveHost("web2", "scrapped", None, None), m.Done, "admin")
    again = ask(ca, login, "web1")
    assert (again.existing, again.request.hosts) == (False, ("web1",))
    assert again.request.id != first.request.id
    assert again.certificate is not None
    with pytest.raises(Invalid, match="web2"):
        ask(ca, login, "web2")
