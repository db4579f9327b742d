"""A small authority for tests of the front end, in memory; ``standin_server.py`` puts it on a real socket.

It keeps people, logins, requests and a log by simple rules of its own (``web1`` is automatic, ``db1`` needs one lead,
anything else is refused). It signs nobody in and signs nothing: those tests run on the real authority.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sshjit import ca_protocol as m
from sshjit import wire
from sshjit.errors import Invalid, Refused

POLICY = """version = 1
[labels]
env = { values = ["prod", "staging"], required = true }
role = {}
[roles]
sre = ["acme/group:sre"]
sre-lead = ["acme/group:sre-lead"]
dba = ["acme/group:dba"]
[actions.migrate]
command = "/opt/app/bin/migrate"
title = "Run the database migration"
[[allow]]
name = "staging"
roles = ["sre", "sre-lead", "dba"]
hosts = { env = "staging" }
logins = ["deploy"]
approvals = []
grant = "8h"
certificate = "5m"
[[allow]]
name = "prod-database"
roles = ["sre-lead", "dba"]
hosts = { env = "prod", role = "db" }
logins = ["postgres", "deploy"]
actions = ["shell", "migrate"]
approvals = [{ from = "sre-lead", count = 1 }]
grant = "8h"
certificate = "5m"
"""
HOSTS = (
    m.HostView("db1", "db1", ("db1.example.com",), "127.0.0.1", 2202, (("env", "prod"), ("role", "db"))),
    m.HostView("web1", "web1", (), "127.0.0.1", 2201, (("env", "staging"),)),
)
ROLES = {"alice": ("sre",), "bob": ("sre-lead",), "bea": ("sre-lead",), "carol": (), "dana": ("dba",)}
NOTE = "lab\n3\nq5f0\n\n— lab abcd\n"


def person(name: str) -> m.PersonView:
    return m.PersonView(f"sub-{name}0000000", "acme", name.capitalize(), f"{name}@example.com")


@dataclass
class Standin:
    """The state, and one method for each message."""

    clock: Callable[[], float] = time.time
    hosts: tuple[m.HostView, ...] = HOSTS
    logins: dict[str, m.LoginView] = field(default_factory=dict)
    requests: dict[str, m.RequestView] = field(default_factory=dict)
    entries: list[m.EntryView] = field(default_factory=list)
    heard: list[m.Message] = field(default_factory=list)
    problems: tuple[str, ...] = ()
    sequence: int = 3
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def now(self) -> int:
        return int(self.clock())

    def sign_in(self, name: str, kind: Any = "web") -> m.LoginView:
        login_id = f"login-{len(self.logins):08d}"
        roles = ROLES[name]  # the groups have the names of the roles; nobody has permissions
        known = ((), roles, (), None, None, False, False)
        view = m.LoginView(login_id, kind, person(name), roles, self.now, self.now + 28800, None, *known)
        self.logins[login_id] = view
        self.record("login", f"{name} signed in", {"login": login_id})
        return view

    def record(self, kind: str, summary: str, fact: dict[str, Any]) -> None:
        text = json.dumps({"kind": kind, **fact}, sort_keys=True)
        self.entries.append(m.EntryView(len(self.entries), self.now, kind, summary, text, '{"salt":"x"}'))

    def answer(self, message: m.Message) -> Any:
        with self.lock:
            self.heard.append(message)
            return getattr(self, wire.type_name(type(message)))(message)

    def alive(self, login_id: str | None) -> m.LoginView:
        login = self.logins.get(login_id or "")
        if login is None or login.expires <= self.now:
            raise Refused("login_over", "this login is over", hint="sign in again")
        return login

    def find(self, request_id: str) -> m.RequestView:
        if request_id not in self.requests:
            raise Invalid("unknown_request", "there is no such request")
        return self.requests[request_id]

    def logout(self, said: m.Logout) -> m.Done:
        self.alive(said.login_id)
        del self.logins[said.login_id]
        return m.Done()

    def read_login(self, said: m.ReadLogin) -> m.LoginReply:
        return m.LoginReply(self.alive(said.login_id))

    def ask(self, said: m.Ask) -> m.AskReply:
        who = self.alive(said.login_id)
        known = {host.name for host in self.hosts}
        if unknown := [name for name in said.hosts if name not in known]:
            raise Invalid("unknown_host", f"there is no host {unknown[0]!r}")
        if not who.roles or not set(said.hosts) <= {"web1", "db1"}:
            raise Refused("no_rule", "no rule allows this", hint='rule "staging" would need the role sre')
        for old in self.requests.values():
            live = old.state in (m.RequestState.PENDING, m.RequestState.APPROVED)
            if live and old.requester == who.person and old.hosts == said.hosts:
                return m.AskReply(old, None, existing=True, notes=())
        view = self.make(who, said)
        self.requests[view.id] = view
        self.record("ask", f"{who.person.name} asks for {view.login} on {view.hosts[0]}", {"request": view.id})
        notes = () if said.login else (f"you log in as {view.login}",)
        return m.AskReply(view, None, existing=False, notes=notes)

    def make(self, who: m.LoginView, said: m.Ask) -> m.RequestView:
        reviewed, now = "db1" in said.hosts, self.now
        number = f"req-{len(self.requests):08d}"
        steps = (m.StepView("sre-lead", 1, signed=False, missing=1, candidates=("Bob", "Bea")),) if reviewed else ()
        return m.RequestView(
            id=number,
            digest=hashlib.sha256(repr((number, said)).encode()).hexdigest(),
            state=m.RequestState.PENDING if reviewed else m.RequestState.APPROVED,
            how=None if reviewed else "automatic",
            requester=who.person,
            hosts=said.hosts,
            host_ids=said.hosts,
            login=said.login or ("postgres" if reviewed else "deploy"),
            action=said.action,
            command=said.command or ("/opt/app/bin/migrate" if said.action == "migrate" else None),
            duration=said.duration or 28800,
            reason=said.reason,
            rule="prod-database" if reviewed else "staging",
            policy=hashlib.sha256(POLICY.encode()).hexdigest(),
            asked=now,
            channel=who.kind,
            address=said.address,
            pending_until=now + 1800,
            approved=None if reviewed else now,
            use_by=None if reviewed else now + 900,
            ends=None if reviewed else now + (said.duration or 28800),
            certificate=300,
            certificates=0,
            steps=steps,
            decisions=(),
            closing="",
            start=said.start,
            break_glass=said.break_glass,
            review_by=now + 86400 if said.break_glass else None,
            review=None,
            comments=(),
            extends=None,
            extend_by=None,
        )

    def decide(self, said: m.Approve | m.Deny, verdict: Any) -> m.RequestReply:
        who, view = self.alive(said.login_id), self.find(said.request)
        if view.state is not m.RequestState.PENDING:
            raise Invalid("wrong_state", f"this request is {view.state.value} already")
        if said.digest != view.digest:
            raise Invalid("digest_differs", "this is not the request that you saw")
        if who.person == view.requester or "sre-lead" not in who.roles:
            raise Refused("not_approver", "you cannot answer this request")
        word = m.DecisionView(
            who.person, verdict, said.comment, self.now, who.kind, signed=said.consent is not None, duration=None
        )
        ends = self.now + view.duration
        changed = (
            replace(view, state=m.RequestState.APPROVED, how="reviewed", approved=self.now, use_by=ends, ends=ends)
            if verdict == "approve"
            else replace(view, state=m.RequestState.DENIED, closing=f"{who.person.name} said no")
        )
        steps = tuple(replace(step, missing=0 if verdict == "approve" else 1) for step in view.steps)
        self.record(verdict, f"{who.person.name}: {verdict} {view.id}", {"request": view.id})
        return self.keep(replace(changed, steps=steps, decisions=(*view.decisions, word)))

    def keep(self, view: m.RequestView) -> m.RequestReply:
        self.requests[view.id] = view
        return m.RequestReply(view)

    def read_challenge(self, said: m.ReadChallenge) -> m.ChallengeReply:
        self.alive(said.login_id)
        return m.ChallengeReply("c" * 32, self.now + 180)

    def join_host(self, said: m.JoinHost) -> m.HostReply:
        return self.host_reply(said.name)

    def sign_host(self, said: m.SignHost) -> m.HostReply:
        return self.host_reply(said.name)

    def host_reply(self, name: str) -> m.HostReply:
        host = next((host for host in self.hosts if host.name == name), None)
        if host is None:
            raise Refused("join_refused", "the token is not this host's, or it is over or used")
        return m.HostReply(host, (), "SHA256:root", "ssh-ed25519 AAAA", None)

    def host_report(self, said: m.HostReport) -> m.Done:
        self.host_reply(said.name)
        return m.Done()

    def approve(self, said: m.Approve) -> m.RequestReply:
        return self.decide(said, "approve")

    def deny(self, said: m.Deny) -> m.RequestReply:
        return self.decide(said, "deny")

    def finish(self, said: m.Cancel | m.End, old: m.RequestState, new: m.RequestState) -> m.RequestReply:
        who, view = self.alive(said.login_id), self.find(said.request)
        if who.person != view.requester:
            raise Refused("not_yours", "this request is somebody else's")
        if view.state is not old:
            raise Invalid("wrong_state", f"this request is {view.state.value}")
        return self.keep(replace(view, state=new))

    def cancel(self, said: m.Cancel) -> m.RequestReply:
        return self.finish(said, m.RequestState.PENDING, m.RequestState.CANCELLED)

    def end(self, said: m.End) -> m.RequestReply:
        return self.finish(said, m.RequestState.APPROVED, m.RequestState.ENDED)

    def read_request(self, said: m.ReadRequest) -> m.RequestReply:
        who, view = self.alive(said.login_id), self.find(said.request)
        if who.person != view.requester and "sre-lead" not in who.roles:
            raise Invalid("unknown_request", "there is no such request")
        asked = "sre-lead" in who.roles and who.person != view.requester
        return m.RequestReply(view, None, ("sre-lead",) if asked else ())

    def read_requests(self, said: m.ReadRequests) -> m.RequestsReply:
        who = self.alive(said.login_id)
        if said.scope == "mine":
            found = [view for view in self.requests.values() if view.requester == who.person]
            found = [view for view in found if said.state in (None, view.state)]
        else:
            lead = "sre-lead" in who.roles
            waiting = [view for view in self.requests.values() if view.state is m.RequestState.PENDING]
            found = [view for view in waiting if lead and view.requester != who.person]
        found = [view for view in found if said.before is None or view.asked < said.before]
        return m.RequestsReply(tuple(sorted(found, key=lambda view: -view.asked)[: said.limit]))

    def read_hosts(self, said: m.ReadHosts) -> m.HostsReply:
        self.alive(said.login_id)
        return m.HostsReply(self.hosts)

    def read_policy(self, _: m.ReadPolicy) -> m.PolicyReply:
        return m.PolicyReply(POLICY, hashlib.sha256(POLICY.encode()).hexdigest())

    def read_log(self, said: m.ReadLog) -> m.LogReply:
        who = self.alive(said.login_id)
        before = len(self.entries) if said.before is None else said.before
        page = [entry for entry in reversed(self.entries) if entry.index < before][: said.limit]
        return m.LogReply(tuple(page), len(self.entries), NOTE, own_only="sre-lead" not in who.roles)

    def read_tile(self, said: m.ReadTile) -> m.TileReply:
        if said.name != "tile/entries/x001/234.p/5":
            raise Invalid("unknown_tile", "the log has no such tile yet")
        return m.TileReply(base64.b64encode(b"\x00\x02{}").decode("ascii"))

    def read_bundle(self, said: m.ReadBundle) -> m.BundleReply:
        if said.have == self.sequence:
            return m.BundleReply(self.sequence, None, None)
        text = json.dumps({"bundle": 1, "sequence": self.sequence, "checkpoint": NOTE})
        return m.BundleReply(self.sequence, text, "-----BEGIN SSH SIGNATURE-----")

    def health(self, _: m.Health) -> m.HealthReply:
        return m.HealthReply(not self.problems, self.problems, len(self.entries), "", self.now)
