"""The table of decisions, asked of a whole CA: these people sign in, these hosts are enrolled, and it says the same.

The clock only goes forward, so the rows run in the order of their times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import names
from sshjit.errors import Invalid, SshJitError
from sshjit_client.policy.inventory import Member
from tests.support import decisions
from tests.support.decisions import FOLDER, Row
from tests.support.installation import Installation, Person
from tests.support.issuer import Issuer
from tests.support.softkey import SoftKey
from tests.unit.ca.test_hardware import register, sign_in

MONTH = 20 * 86400
"""Seconds after which everybody signs in again, so that the CA knows who could approve."""
ROWS = sorted(decisions.rows(), key=lambda row: row.now)


@dataclass
class House:
    """The CA, with everybody of the inventory known to it."""

    ca: Installation
    signed_in: float = 0

    def at(self, moment: int) -> None:
        """Goes to a moment; everybody signs in, unless they did so lately."""
        self.ca.later(moment - self.ca.time)
        if self.ca.time - self.signed_in > MONTH:
            self.signed_in = self.ca.time
            for member in decisions.inventory().people.values():
                for address in sorted(member.unverified):
                    self.ca.web(person(member, address, verified=False))
                self.ca.web(person(member))

    def login(self, row: Row) -> str:
        """A sign-in as the row describes it."""
        subject, who = row.subject, person(decisions.inventory().people[row.subject.id])
        who.claims.update({"auth_time": subject.auth_time, "amr": ["mfa"] if subject.mfa else ["pwd"]})
        if not subject.hardware_key:
            return self.ca.web(who)
        key = SoftKey()
        register(self.ca, f"{who.provider}/{who.email}", key.line)
        return sign_in(self.ca, who, key)

    def ask(self, row: Row) -> m.AskReply:
        """The row's ask."""
        ask = row.ask
        message = m.Ask(
            login_id=self.login(row),
            hosts=tuple(host.name for host in row.hosts),
            login=ask.login,
            action=ask.action,
            command=ask.command,
            duration=ask.duration,
            reason=ask.reason,
            certificate=False,
            address=ask.address or "",
            start=ask.start,
            break_glass=ask.break_glass,
        )
        return self.ca.say(message, m.AskReply)

    def close(self, request: m.RequestView) -> None:
        """So that the next row for the same thing is decided anew."""
        login = self.ca.context.newest_login(request.requester.id).opened.login
        message = m.Cancel if request.state is m.RequestState.PENDING else m.End
        self.ca.say(message(login, request.id), m.RequestReply)
        if request.break_glass:
            bob = self.ca.web(person(decisions.inventory().people["bob"]))
            self.ca.say(m.Review(bob, request.id, "justified", "seen"), m.RequestReply)


def person(member: Member, address: str | None = None, *, verified: bool = True) -> Person:
    """A person of the inventory as their provider describes them."""
    subject = member.subject
    email = address or next(iter(sorted(subject.emails)), "")
    own: dict[str, object] = {} if subject.unix_name is None else {"preferred_username": subject.unix_name}
    claims: dict[str, object] = own if email else {**own, "email": None, "email_verified": None}
    return Person(member.name, tuple(sorted(subject.groups)), email, verified, subject.provider, claims)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, shared_issuers: dict[str, Issuer]) -> Iterator[House]:
    home: Path = tmp_path_factory.mktemp("decisions")
    policy = (FOLDER / "policy.toml").read_text(encoding="utf-8")
    ca = Installation(home, shared_issuers, time=float(ROWS[0].now - 86400), policy=policy)
    for host in decisions.inventory().hosts.values():
        ca.add_host(host.name, **dict(host.labels))
    yield House(ca)
    ca.stop()


SAID = " (the provider said amr pwd)"
"""What follows where a factor is missing: the rows are of people, and these here signed in by a password."""


def said_of(row: Row) -> tuple[str | None, str | None]:
    """Code and sentence of the refusal that is expected; none: no refusal."""
    match row.expected["expect"]:
        case "step_up":
            return "step_up", row.expected["message"]
        case "denied" if row.ask.login is not None and not is_login(row.ask.login):
            return "bad_login", None  # a name that cannot be one does not get as far as the policy
        case "denied":
            return row.code, row.expected["message"]
        case _:
            return None, None


def is_login(text: str) -> bool:
    try:
        return bool(names.login_name(text))
    except Invalid:
        return False


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_the_ca_decides_as_written(house: House, row: Row) -> None:
    house.at(row.now)
    code, sentence = said_of(row)
    if code is not None:
        with pytest.raises(SshJitError) as caught:
            house.ask(row)
        assert caught.value.code == code
        assert sentence in (None, caught.value.message.removesuffix(SAID))
        return
    reply = house.ask(row)
    request, wanted = reply.request, row.expected
    house.close(request)
    assert not reply.existing
    assert request.state.value == ("pending" if wanted["expect"] == "approval" else "approved")
    assert request.break_glass == row.ask.break_glass
    got = {
        "rule": request.rule,
        "as": request.login,
        "duration": request.duration,
        "certificate": request.certificate,
        "steps": [{"from": step.role, "count": step.count, "signed": step.signed} for step in request.steps],
    }
    assert {key: value for key, value in got.items() if key in wanted and value != wanted[key]} == {}
    assert request.policy == row.policy.digest
    if "ends_by" in wanted and request.ends is not None:
        assert request.ends <= wanted["ends_by"]
