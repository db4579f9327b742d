"""``ssh-jit-host doctor``: looks at everything that access to this host depends on, and says what to do.

It changes nothing, and asks nobody but this machine. What is well is said too, so that a silent check is not taken for
a good one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sshjit_host import alarms
from sshjit_host.config import Config
from sshjit_host.errors import HostError
from sshjit_host.findings import Finding
from sshjit_host.formats.bundle import Bundle
from sshjit_host.front_end import renewal
from sshjit_host.machine import files
from sshjit_host.openssh import abilities, owner_lists, sshdconf, trusted_types
from sshjit_host.openssh.account_checks import Accounts
from sshjit_host.openssh.dropin import DropIn
from sshjit_host.refresh import Refresher
from sshjit_host.sessions import session_status
from sshjit_host.times import span


@dataclass
class Examination:
    """The checks of one host at ``now`` (seconds since the epoch); ``bundle`` is what it holds, once that was read."""

    config: Config
    now: float
    bundle: Bundle | None = None

    def __post_init__(self) -> None:
        self._dropin = DropIn(self.config)

    def findings(self) -> list[Finding]:
        """Every check; one that breaks is a finding itself."""
        sshd = (self._settings, self._lists, self._penalties)
        checks = (self._held, *sshd, self._folders, self._accounts, self._certificates, self._sessions)
        return list(dict.fromkeys(finding for check in checks for finding in self._made(check)))

    def _made(self, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
        try:
            return list(check())
        except HostError as error:
            return [Finding("bad", error.message, error.hint)]
        except OSError as error:
            return [Finding("bad", f"{error.filename or 'the system'}: {error.strerror or error}")]

    def _held(self) -> Iterator[Finding]:
        bundle = self.bundle = Refresher(self.config, lambda _: None).held()
        if bundle is None:
            yield Finding("bad", "this host holds no bundle", "ssh-jit-host refresh")
            return
        which, age = f"bundle {bundle.sequence} of {bundle.installation}", span(self.now - bundle.issued)
        if alarms.stale(bundle, self.now):
            hint = "ssh-jit-host refresh says why no newer one comes"
            yield Finding("warn", f"{which} is {age} old, so that revocations may be missing", hint)
        else:
            yield Finding("ok", f"{which} is {age} old")
        for problem in alarms.failing(self.config):
            yield Finding("warn", problem, "ssh-jit-host refresh says more")
        for part in bundle.unread(abilities.later_types(self.config, bundle)):
            what = f"this ssh-jit-host does not know {part} of the bundle"
            yield Finding("warn", what, "upgrade ssh-jit-host, or OpenSSH if that does not know it either")

    def _settings(self) -> Iterator[Finding]:
        self._dropin.usual()  # where sshd does not answer, each check finds that, and it is said once
        self._dropin.check()
        yield Finding("ok", f"sshd goes by {self.config.dropin}")
        yield from trusted_types.findings(self.config, self.bundle)

    def _lists(self) -> Iterator[Finding]:
        """The one revocation list that sshd reads: whether it is there and whole, and says what it should."""
        if self.bundle is None:
            return
        place = self.config.home / "krl"
        data = files.read(place)
        if data is None:
            yield Finding("bad", f"{place} is not there, so sshd lets nobody in by a key", "ssh-jit-host refresh")
            return
        if not abilities.reads_list(self.config, self.bundle, data):
            what = f"{place} is broken, so sshd refuses everybody, or revokes nothing"
            yield Finding("bad", what, "ssh-jit-host refresh")
        elif data != owner_lists.whole(self.config, self.bundle, trusted_types.decide(self.config, self.bundle).kinds):
            yield Finding("warn", f"{place} is not what it should be by now", "ssh-jit-host refresh")
        for path in owner_lists.files_of(self.config):
            yield Finding("ok", f"sshd also refuses what {path} revokes: it is in {place}")

    def _penalties(self) -> Iterator[Finding]:
        """Whom sshd shuts out for a while after refusals (``PerSourcePenalties``, from OpenSSH 9.8 on)."""
        counts = self._dropin.usual()
        penalties = counts.value("PerSourcePenalties")
        if penalties in ("", "no"):
            return
        exempt = counts.value("PerSourcePenaltyExemptList")
        if exempt in ("", "none"):
            what = "five quick refusals shut a whole address out for a while, with everybody behind it"
            hint = "where many share one (NAT, a bastion), name it in PerSourcePenaltyExemptList"
            yield Finding("ok", f"sshd has PerSourcePenalties: {what}", hint)
        else:
            yield Finding("ok", f"sshd has PerSourcePenalties, but for {exempt}")

    def _folders(self) -> Iterator[Finding]:
        for reason in files.untrusted_folders(self.config.home, others=self.config.opens_others):
            yield Finding(
                "bad", reason, f"move {self.config.home} to a folder such as /etc/ssh, which is root's and open to read"
            )

    def _accounts(self) -> Iterator[Finding]:
        layout = sshdconf.layout(self.config.sshd_config)
        findings = list(Accounts(self.config, layout).findings(self.bundle))
        if not any(finding.level == "bad" for finding in findings):
            yield Finding("ok", f"a certificate opens {', '.join(self.config.accounts)}")
        yield from findings

    def _certificates(self) -> Iterator[Finding]:
        for host_key in () if self.bundle is None else renewal.ours(self._dropin, self.bundle):
            left = host_key.certificate.valid_before - self.now
            if left <= 0:
                what = f"the host certificate {host_key.place} ended {span(-left)} ago"
                yield Finding("bad", what, "ssh-jit-host refresh renews it, or says why not")
            else:
                level = "warn" if left < renewal.WORRY else "ok"
                yield Finding(level, f"the host certificate {host_key.place} ends in {span(left)}")

    def _sessions(self) -> Iterator[Finding]:
        yield from session_status.findings(self.config, self.bundle)


_MARKS = {"ok": "ok  ", "warn": "WARN", "bad": "BAD "}


def text(findings: list[Finding]) -> str:
    """The findings for people: a line each, and below it what to do."""
    lines = []
    for finding in findings:
        lines.append(f"{_MARKS[finding.level]}  {finding.text}")
        if finding.hint:
            lines.append(f"      {finding.hint}")
    return "\n".join(lines)


def as_json(findings: list[Finding]) -> str:
    """The findings for programs."""
    return json.dumps([{"level": f.level, "text": f.text, "hint": f.hint} for f in findings], indent=1)
