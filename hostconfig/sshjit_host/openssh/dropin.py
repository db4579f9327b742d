"""sshd's drop-in: what it contains, and the trial that it must pass before it takes effect.

It must never lock out the owner. So it is tried in a copy first, then in its place while the old one is kept; sshd must
accept it (``sshd -t``) and must use our values (``sshd -T``), else the old one is put back byte for byte. If a run dies
in between, the next one repairs it. No other file is touched.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sshjit_host.config import LATER, Config
from sshjit_host.errors import SshdError
from sshjit_host.machine import files
from sshjit_host.machine.programs import Outcome, run
from sshjit_host.openssh import abilities, beside, effective, owner_lists, pam_hook, reloading, sshdconf, trusted_types
from sshjit_host.openssh.effective import ANY, Connection, Effective

HEADER = "# Written by ssh-jit-host, which overwrites changes. It makes sshd accept short-lived certificates.\n"

CLOSED = {
    "AuthorizedKeysFile": "none",
    "AuthorizedKeysCommand": "none",
    "PasswordAuthentication": "no",
    "KbdInteractiveAuthentication": "no",
    "HostbasedAuthentication": "no",
    "GSSAPIAuthentication": "no",
    "KerberosAuthentication": "no",
}
"""What closes every way into an account but certificates (``only_certificates``); a sshd may lack some of them."""

PASSING = {
    "AllowTcpForwarding": "local",
    "AllowStreamLocalForwarding": "no",
    "AllowAgentForwarding": "no",
    "X11Forwarding": "no",
    "PermitTunnel": "no",
    "PermitTTY": "no",
}
"""What the account by which people pass through may do. ``permitopen`` limits neither what listens on the bastion nor
sockets in its file system, so those are closed here."""

Say = Callable[[str], None]


@dataclass
class DropIn:
    """The drop-in of one host, for one run: sshd is asked the same once before a change, and once after it.

    Every method that changes something expects the caller to hold the lock of ``config.home``.
    """

    config: Config
    _answers: dict[str, Effective | effective.Refused] = field(default_factory=dict)
    """What sshd said, or why it did not, since the drop-in changed last."""

    def usual(self) -> Effective:
        """What is in effect for the first of our accounts. Raises ``effective.Refused``."""
        return self.counts(self.config.logins[0])

    def counts(self, login: str, connection: Connection = ANY) -> Effective:
        """What is in effect for one of our accounts. Raises ``effective.Refused``."""
        question = connection.question(login)
        if question not in self._answers:
            try:
                self._answers[question] = effective.settings(self.config, login, connection)
            except effective.Refused as error:
                self._answers[question] = error
        answer = self._answers[question]
        if isinstance(answer, effective.Refused):
            raise effective.Refused(answer.outcome, hint=answer.hint)
        return answer

    def host_keys(self, layout: sshdconf.Layout) -> tuple[str, ...]:
        """The files of sshd's host keys: which it has by itself if none is named depends on its version.

        While its configuration is broken, those are taken that the configuration names.
        """
        try:
            keys = self.usual().all("HostKey")
        except effective.Refused:
            keys = tuple(setting.values[0] for setting in layout.of("HostKey") if setting.values)
        return tuple(dict.fromkeys(keys))

    @property
    def values(self) -> dict[str, str]:
        """The settings that must be in effect for everybody, by keyword."""
        home = self.config.home
        values = {
            "TrustedUserCAKeys": str(home / "user_ca.pub"),
            "AuthorizedPrincipalsFile": str(home / "principals" / "%u"),
            "RevokedKeys": str(home / "krl"),
        }
        if self.config.beside:
            del values["TrustedUserCAKeys"], values["AuthorizedPrincipalsFile"]
        return values

    def account_values(self, layout: sshdconf.Layout) -> dict[str, str]:
        """The settings that must be in effect for our accounts alone."""
        values = {}
        if self.config.beside and not beside.has_principals_files(self.config, layout):
            values["AuthorizedPrincipalsFile"] = str(self.config.home / "principals" / "%u")
        if self.config.only_certificates:
            known = {name for name, _ in self.usual().lines}
            values.update({name: value for name, value in CLOSED.items() if name.lower() in known})
        return values

    def is_ours(self) -> bool:
        """Whether there is a drop-in that this program wrote."""
        return (files.read(self.config.dropin) or b"").startswith(HEADER.encode("utf-8"))

    @property
    def passing_values(self) -> dict[str, str]:
        """The settings that must be in effect for the account by which people pass through."""
        if not self.config.jump_login:
            return {}
        # Beside another CA, its principals would open this account too.
        own = {"AuthorizedPrincipalsFile": str(self.config.home / "principals" / "%u")}
        return {**(own if self.config.beside else {}), **PASSING}

    @property
    def _journal(self) -> Path:
        return self.config.home / "dropin.trial"

    @property
    def _unloaded(self) -> Path:
        return self.config.home / trusted_types.UNLOADED

    def apply(self, say: Say) -> None:
        """Bring the drop-in up to date and check that it is in effect; ``say`` is called for each change and problem.

        Raises ``SshdError`` when sshd does not accept it; then the old one is in place again.
        """
        self._recover(say)
        place = self.config.dropin
        if not place.parent.is_dir():
            raise SshdError(
                f"there is no folder {place.parent}",
                hint=f"make it, and put `Include {place.parent}/*.conf` at the top of {self.config.sshd_config}",
            )
        try:
            text = self._text(sshdconf.layout(self.config.sshd_config))
        except effective.Refused as error:
            raise self._refusal(error.outcome) from None
        before = files.read(place)
        if before is not None and not before.startswith(HEADER.encode("utf-8")):
            raise SshdError(f"{place} was not written by ssh-jit-host", hint="move it, or name another `dropin`")
        if before == text:
            self._require_effect()
        else:
            self._try_copy(text)
            self._replace(before, text)
            say(f"wrote {place}")
        for line in self._displaced(sshdconf.layout(self.config.sshd_config)):
            say(line)
        self._reload(say)

    def check(self) -> None:
        """Check that the drop-in is there and in effect; nothing is changed. Raises ``SshdError`` if it is not."""
        if files.read(self.config.dropin) is None:
            raise SshdError(f"{self.config.dropin} is not there", hint="ssh-jit-host refresh")
        self._require_effect()

    def _text(self, layout: sshdconf.Layout) -> bytes:
        """The drop-in's bytes. They contain each certificate's digest, so that sshd reloads when one is renewed."""
        lines = [f"{keyword} {value}\n" for keyword, value in self.values.items()]
        if abilities.has_post_quantum(self.config) and not trusted_types.owners_lines(self.config, layout):
            lines.append(f"{trusted_types.KEYWORD} {trusted_types.ADDED}\n")
        lines += self._certificates(layout) if self.config.host_certificates else []
        accounts = self.account_values(layout)
        if accounts:
            # Without the last line, whatever follows would be read as if it were for these accounts alone.
            lines.append(f"Match User {','.join(self.config.accounts)}\n")
            lines += [f"    {keyword} {value}\n" for keyword, value in accounts.items()]
            lines.append("Match all\n")
        if self.config.jump_login:
            lines.append(f"Match User {self.config.jump_login}\n")
            lines += [f"    {keyword} {value}\n" for keyword, value in self.passing_values.items()]
            lines.append("Match all\n")
        lines.append(pam_hook.dropin_lines(self.config))  # at the end, for a ``Match`` goes on to the end of the file
        return (HEADER + "".join(lines)).encode("utf-8")

    def _certificates(self, layout: sshdconf.Layout) -> list[str]:
        lines = []
        elsewhere = {s.values for s in layout.of("HostCertificate") if s.path != self.config.dropin}
        for key in self.host_keys(layout):
            certificate = Path(f"{key}-cert.pub")
            data = files.read(certificate) if (str(certificate),) not in elsewhere else None
            if data:
                lines.append(f"# SHA-256 {hashlib.sha256(data).hexdigest()}\nHostCertificate {certificate}\n")
        return lines

    # ------------------------------------------------------------------------------------------------ the trial

    def _try_copy(self, text: bytes) -> None:
        """Try the drop-in before the whole configuration, in a file that sshd does not read by itself."""
        copy, whole = (self.config.home / f"{files.TEMPORARY}{name}" for name in ("dropin", "sshd_config"))
        files.write(copy, text, 0o600)  # a file of its own, because a ``Match`` ends with its file
        files.write(whole, f"Include {copy}\nInclude {self.config.sshd_config}\n".encode(), 0o600)
        try:
            outcome = run(self.config.sshd, "-t", "-f", whole)
        finally:
            files.remove(whole)
            files.remove(copy)
        if outcome.code != 0:
            raise self._refusal(outcome)

    def _replace(self, before: bytes | None, text: bytes) -> None:
        """Put the drop-in in its place; the old one is kept until sshd has accepted it."""
        kept = None if before is None else base64.b64encode(before).decode("ascii")
        files.write(self._journal, json.dumps({"before": kept}).encode("ascii"), 0o600)
        try:
            files.write(self.config.dropin, text)
            self._answers.clear()
            outcome = run(self.config.sshd, "-t", "-f", self.config.sshd_config)
            if outcome.code == 0:
                self._require_effect()
        except BaseException:
            self._restore(before)
            raise
        if outcome.code != 0:
            self._restore(before)
            raise self._refusal(outcome)
        files.write(self._unloaded, b"")
        files.remove(self._journal)

    def _restore(self, before: bytes | None) -> None:
        self._answers.clear()
        if before is None:
            files.remove(self.config.dropin)
        else:
            files.write(self.config.dropin, before)
        files.remove(self._journal)

    def _recover(self, say: Say) -> None:
        """Undo the drop-in of a run that died before sshd had accepted it."""
        journal = files.read(self._journal)
        if journal is None:
            return
        kept = json.loads(journal)["before"]
        self._restore(None if kept is None else base64.b64decode(kept))
        say(f"put {self.config.dropin} back: an earlier run ended before sshd had accepted it")

    def _refusal(self, outcome: Outcome) -> SshdError:
        """The error for a refused drop-in, which says so if the configuration is broken without it as well."""
        now = run(self.config.sshd, "-t", "-f", self.config.sshd_config)
        if now.code != 0:
            return SshdError(
                effective.complaint(outcome, "its configuration, with our drop-in or without"),
                hint=f"{self.config.sshd} -t -f {self.config.sshd_config}",
            )
        return SshdError(effective.complaint(outcome, "our drop-in, so it was not used"))

    def _reload(self, say: Say) -> None:
        """Make sshd read a changed drop-in; if that fails, the next run tries again."""
        if self.config.reload == LATER:
            return
        # Also where sshd went by it before this file was thought of: `leave` asks for nothing else.
        files.write(self.config.home / reloading.LOADED, b"")
        if not self._unloaded.exists():
            return
        say(reloading.reload(self.config))
        files.remove(self._unloaded)

    # ------------------------------------------------------------------------------------------- does it count?

    def _require_effect(self) -> None:
        """Raise ``SshdError`` unless sshd uses our values, in general and for each of our logins."""
        layout = sshdconf.layout(self.config.sshd_config)
        try:
            usual = self.usual()
            accounts = self.account_values(layout)
            self._compare(layout, usual, self.values)
            if (
                accounts
                or self.config.jump_login
                or any(s.conditional for keyword in self.values for s in layout.of(keyword))
            ):
                for connection in effective.connections(usual, layout):
                    for login in self.config.accounts:
                        passing = self.passing_values if login == self.config.jump_login else {}
                        counts = self.counts(login, connection)
                        self._compare(layout, counts, {**self.values, **accounts, **passing})
            if self.config.beside:
                beside.require(self.config, self.counts)
        except effective.Refused as error:
            raise self._refusal(error.outcome) from None

    def _compare(self, layout: sshdconf.Layout, counts: Effective, values: dict[str, str]) -> None:
        for keyword, value in values.items():
            if counts.value(keyword) != value:
                raise self._shadowed(layout, keyword, counts.value(keyword))

    def _shadowed(self, layout: sshdconf.Layout, keyword: str, counts: str) -> SshdError:
        """The error for a value of ours that is not in effect, with the line that is in effect instead."""
        if self.config.dropin not in layout.files:
            include = f"Include {self.config.dropin.parent}/*.conf"
            return SshdError(
                f"{self.config.sshd_config} does not include {self.config.dropin}",
                hint=f"put `{include}` at its top",
            )
        for setting in layout.of(keyword):
            if setting.path != self.config.dropin and " ".join(setting.values) == counts:
                return SshdError(
                    f"{setting.place} sets {keyword} {counts}, which counts instead of ours",
                    hint=f"remove that line, or have {self.config.dropin} included before it",
                )
        return SshdError(f"sshd does not use our {keyword}", hint=f"{self.config.sshd} -T -f {self.config.sshd_config}")

    def _displaced(self, layout: sshdconf.Layout) -> Iterator[str]:
        """Say which of the owner's settings have no effect any more, because the first value wins and ours is first."""
        for keyword in self.values:
            for setting in layout.of(keyword):
                if keyword == owner_lists.KEYWORD:
                    continue  # what theirs revokes is in ours
                if setting.path != self.config.dropin and not setting.conditional:
                    yield f"warning: {setting.place} sets {keyword}, which no longer counts: ours comes first"
