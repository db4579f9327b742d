"""The ssh configuration that a connection runs with.

In ssh_config the first value wins. The person's own configuration comes first, so that it decides. Then comes our block
for the one host that was typed, then the system's configuration. Their known_hosts files stay theirs alone: our CA's
line is in a file of its own beside the system-wide ones, whatever these are. (``KnownHostsCommand`` would add to them
too, but not before OpenSSH 8.5, at the price of a process for each look, and ssh takes only one: it stays theirs.)
It names the system-wide files that they chose too, and comes before their configuration: after it theirs alone counts.
In three things they do not decide. How strictly a host key is checked, and that our key goes into no agent, is on ssh's
command line (``certificate_index.STRICT``); the person is told of the former. How connections are shared
(``sharing.py``) comes before their configuration, for the typed host alone: a host that ``ProxyJump`` names reads the
same file. No question for a password follows a refused certificate, because no password helps. For a host that wants
an answer beside the key (``AuthenticationMethods publickey,keyboard-interactive``) the person writes
``PreferredAuthentications``, as ``ssh-jit doctor`` says: ssh cannot tell the one case from the other before it asks.
ssh takes one ``RevokedHostKeys``: if the person or the system has set it, it stays, and the person is told that ssh
does not use the installation's list.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from sshjit import sshcert, sshkey
from sshjit.errors import Failed, Invalid
from sshjit_client.ssh import certificate_index, openssh, person_file, private_key
from sshjit_client.ssh.connection_args import ConnectionArgs
from sshjit_client.storage import files, one_line

_TYPED = 24 * 3600
"""Seconds for which such a copy is kept: longer than any certificate lives."""
ACCEPTED = "PubkeyAcceptedKeyTypes"
"""Younger ssh calls it PubkeyAcceptedAlgorithms (8.5), and still knows this name."""
_LAX = ("accept-new", "no", "off", "false")
_NOBODY = "_ssh-jit-nobody_"
_GLOBAL_FILES = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
_FROM_FILES = "# from its file: "
"""The beginning of the lines that count only if the agent has the certificate no more."""
LED = "~key"
"""What the name of a certificate's key ends with, beside the certificate."""
SECOND = "~2"
"""What the name of the certificate that is shown after another one has more than that one."""
_GLOB = re.compile(r"([*?[])")
_ODD = re.compile(r'["\\\x00-\x1f\x7f]|\$\{')


@dataclass(frozen=True, slots=True)
class Own:
    """What the person's own configuration says about a command line."""

    login: str | None
    """The account, if it names one."""
    known_hosts: str
    """The system-wide known_hosts files in effect; empty for none."""
    revoked: str | None
    """The value of ``RevokedHostKeys`` (it may be ``none``); ``None`` if nobody set it."""
    lax: str = ""
    """What would accept an unknown host key, as ``Keyword value``; empty if nothing would."""
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    """All that ``ssh -G`` printed, by lower-case keyword."""
    asked: int = 0
    """When ssh was asked, in nanoseconds since the epoch: what the person changes after that is not in it."""

    @property
    def host_key_alias(self) -> str:
        """The value of ``HostKeyAlias``; empty if nobody set it."""
        return self.values.get("hostkeyalias", "")


@dataclass(frozen=True, slots=True)
class Files:
    """What a connection needs besides its certificate: key, list of revoked host keys, state folder, agent."""

    key: Path
    revoked: Path
    state: Path
    agent: str = ""
    """The socket of the agent that has the certificate; empty: ssh reads it from its file."""


@dataclass(frozen=True, slots=True)
class Target:
    """Our block. ``sshjit.names`` has checked names, address and port."""

    typed: str
    host: str
    address: str
    port: int
    login: str
    key: Path
    certificate: Path
    known_hosts: Path
    revoked: tuple[Path, ...]
    """Lists of revoked host keys: only an ssh that reads post-quantum ones takes two."""
    proxy: str = ""
    """The value of ``ProxyCommand``; empty: ssh connects directly."""
    accepted: str = ""
    """The value of ``PubkeyAcceptedKeyTypes``; empty: whatever the person's configuration says."""
    first: tuple[str, ...] = ()
    """What comes before the person's configuration, for this host alone."""
    agent: str = ""
    """The socket of the agent that has the certificate; empty: ssh reads it from its file."""
    second: Path | None = None
    """The certificate that is shown where the first one is refused."""
    host_key: tuple[str, ...] = ()
    """What ssh is told of the host's own certificates; what the person wrote counts before it."""


def ask(args: ConnectionArgs) -> openssh.RunningQuery:
    """Asks ssh what the person's own configuration says; ``answer`` waits for it."""
    last = [f"User {_NOBODY}", f"RevokedHostKeys {_NOBODY}"]
    return openssh.RunningQuery(
        [*args.asked, *args.ssh], "\n".join([*_account(args), *_before(args), "Match all", *_after(args), *last, ""])
    )


def typed_content(args: ConnectionArgs) -> bytes:
    """What is in the file that ``-F`` names. A pipe is empty after that. Raises ``Invalid``: ``no_config``."""
    try:
        return Path(args.config).read_bytes()
    except OSError as error:
        raise Invalid("no_config", f"can't read {args.config}: {error.strerror}") from None


def local_user() -> str:
    """The person's account on this machine, which ssh passes where nobody named one."""
    try:
        import pwd  # noqa: PLC0415
    except ImportError:  # Windows has none
        return os.environ.get("USERNAME", "")
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""


def keep_typed(args: ConnectionArgs, content: bytes, state: Path) -> None:
    """Puts the content of a pipe that ``-F`` named into a file below ``state``, and takes that in its place."""
    folder = files.private_folder(state / "typed")
    for old in folder.iterdir():
        if old.stat().st_mtime < time.time() - _TYPED:
            old.unlink(missing_ok=True)
    path = folder / sha256(content).hexdigest()[:32]
    if not path.exists():  # else it would look changed
        files.write(path, content, durable=False)
    command = len(args.typed) - len(args.command)
    args.typed[:command] = _with_config(args.typed[:command], args.config, str(path))
    args.config = str(path)


def _with_config(words: list[str], old: str, new: str) -> list[str]:
    """The words with another value for ``-F``, in a word of its own or behind its letter; all others as they are."""
    value, changed = False, []
    for word in words:
        is_short = word.startswith("-") and not word.startswith("--")
        if value and word == old:
            changed.append(new)
        else:
            changed.append(word.removesuffix(old) + new if is_short and word.endswith(f"F{old}") else word)
        value = is_short and word.endswith("F")
    return changed


def own(args: ConnectionArgs) -> Own:
    """What the person's own configuration says."""
    return answer(ask(args))


def answer(query: openssh.RunningQuery) -> Own:
    """The answer of ssh."""
    values = query.answer()
    login = values.get("user", _NOBODY)
    revoked = values.get("revokedhostkeys", "none")  # ssh -G does not print "none"
    strictness, by_name = values.get("stricthostkeychecking", "ask"), values.get("verifyhostkeydns", "no")
    lax = f"StrictHostKeyChecking {strictness}" if strictness in _LAX else ""
    return Own(
        lax=lax or ("VerifyHostKeyDNS yes" if by_name in ("yes", "true") else ""),
        login=None if login == _NOBODY else login,
        known_hosts=known_hosts_files(values),
        revoked=None if revoked == _NOBODY else revoked,
        values=values,
        asked=query.when,
    )


def known_hosts_files(values: Mapping[str, str]) -> str:
    """The system-wide known_hosts files that ``ssh -G`` prints; the usual ones where we could not write them."""
    known = values.get("globalknownhostsfile", "")
    return "" if known == "none" else _GLOBAL_FILES if _ODD.search(known) or not known else known


def text(args: ConnectionArgs, target: Target, own: Own, *head: str) -> str:
    """The whole file; ``head`` are its first lines.

    Raises:
        Failed: ``odd_line``: a value has a line end in it, and would say more than it is.
        Failed: ``odd_path``.

    """
    block = [
        f"Host {target.typed}",
        f"HostName {target.address}",
        f"Port {target.port}",
        f"User {target.login}",
        f"HostKeyAlias {target.host}",
        "StrictHostKeyChecking yes",
        *([] if own.revoked else [f"RevokedHostKeys {' '.join(map(_literal, target.revoked))}"]),
        *target.host_key,
        *(f"{_FROM_FILES if target.agent else ''}{line}" for line in _from_files(target)),
        "IdentitiesOnly yes",
        "PreferredAuthentications publickey",
        *([f"ProxyCommand {target.proxy}"] if target.proxy else []),
        *([] if args.action == "shell" else ["RequestTTY no"]),  # only certificates for shells permit one
    ]
    ours = [block[0], *(f"    {line}" for line in block[1:])]
    known = f"GlobalKnownHostsFile {own.known_hosts} {quoted(target.known_hosts)}"
    agent = _from_agent(target.agent, target.certificate, target.second) if target.agent else []
    if target.accepted:
        agent.append(f"{ACCEPTED} {target.accepted}")
    first = [block[0], *(f"    {line}" for line in (*_account(args), known, *agent, *target.first)), "Match all"]
    return "\n".join(
        [
            *one_line.require(*head, *first),
            *_before(args, target.certificate.parent),
            "",
            *one_line.require(*ours),
            "",
            "Match all",
            *_after(args),
            "",
        ]
    )


def _from_files(target: Target) -> list[str]:
    """Names key and certificates; a key of ``lead`` has its certificate in place of the public key beside it.

    With ``CertificateFile`` ssh takes the private half of a plain key, which it must not show (``accepted``).
    """
    shown = [target.certificate, *([] if target.second is None else [target.second])]
    if target.key == led(target.certificate):
        return [f"IdentityFile {_token_free(led(path))}" for path in shown]
    return [f"IdentityFile {_token_free(target.key)}", *(f"CertificateFile {_token_free(path)}" for path in shown)]


def _from_agent(socket: str, certificate: Path, second: Path | None) -> list[str]:
    """Names the certificate alone: where ``CertificateFile`` names one, ssh looks for its key in a file.

    ssh shows what an agent has in the agent's order, in which ours is the last, and after six keys a host hangs up:
    ``accepted`` keeps plain keys out.
    """
    files_of = [certificate] if second is None else [certificate, second]
    return [f"IdentityAgent {_token_free(Path(socket))}", *(f"IdentityFile {_token_free(path)}" for path in files_of)]


def led(certificate: Path) -> Path:
    """The name of the key of a certificate of ours, beside it."""
    return certificate.with_name(f"{certificate.name.removesuffix('-cert.pub')}{LED}")


def second(certificate: Path) -> Path:
    """Where the certificate is that is shown after this one."""
    return certificate.with_name(f"{certificate.name.removesuffix('-cert.pub')}{SECOND}-cert.pub")


def lead(certificate: Path, key: Path) -> tuple[Path, str]:
    """The key that ssh is to read, and which kinds of keys it may show: certificates alone, so that it tries no other.

    A key that asks for a passphrase, is in an agent or in a device stays what it is: ssh needs its plain half then,
    and may show plain keys of that kind.
    """
    shown = sshcert.parse_line(certificate.read_text("ascii"))[0]
    try:
        private_key.read(key)
    except Invalid:
        kind = shown.key.type
        kinds = ("rsa-sha2-512", "rsa-sha2-256") if kind == sshkey.RSA else (kind,)
        return key, ",".join((*kinds, *map(sshcert.certificate_type, kinds)))
    files.link(led(certificate), key)
    files.link(led(certificate).with_name(f"{led(certificate).name}.pub"), Path(certificate.name))
    return led(certificate), shown.type


def read_from_files(config: Path, socket: str) -> None:
    """Lets a configuration that was written for an agent read its certificates from their files."""
    stem = config.name.removesuffix(".conf")
    for path in (config, config.with_name(f"{stem}~via")):
        if not path.exists():
            continue
        certificate = path.with_name(f"{path.name.removesuffix('.conf')}-cert.pub")
        gone = {f"    {line}" for line in _from_agent(socket, certificate, second(certificate))}
        lines = path.read_text("utf-8", "surrogateescape").split("\n")
        lines[0] = lines[0].partition(certificate_index.IN)[0]
        kept = [line.replace(f"    {_FROM_FILES}", "    ") for line in lines if line not in gone]
        files.write(path, "\n".join(kept), durable=False, when=path.stat().st_mtime_ns)


def read_copies(folder: Path) -> None:
    """Makes the configurations that are kept read the copy of the person's file, once it has the line for plain ssh."""
    copy = person_file.keep(str(folder)) if folder.is_dir() else person_file.ITSELF
    if copy == person_file.ITSELF:
        return
    for path in (*folder.glob("*.conf"), *folder.glob("*~via")):
        held = path.read_text("utf-8", "surrogateescape")
        written = held.replace(f"\nInclude {person_file.ITSELF}\n", f"\nInclude {quoted(Path(copy))}\n")
        if written != held:
            files.write(path, written, durable=False, when=path.stat().st_mtime_ns)


def quoted(path: Path) -> str:
    """A path as one word of ssh_config.

    Raises:
        Failed: ``odd_path`` when ssh_config has no way to write it.

    """
    if _ODD.search(str(path)):
        raise Failed("odd_path", f"ssh_config can't name the path {path}")
    return f'"{path}"'


def _token_free(path: Path) -> str:
    """A path as one word, for an option in which ssh replaces ``%h`` and the like."""
    return quoted(path).replace("%", "%%")


def _literal(path: Path) -> str:
    """A path for an option in which some versions of ssh replace ``%h`` and the like."""
    if "%" in str(path):
        raise Failed("odd_path", f"ssh_config can't name the path {path}", hint="set XDG_STATE_HOME to another folder")
    return quoted(path)


def _account(args: ConnectionArgs) -> list[str]:
    """The account that was typed, where ssh might refuse it on its command line."""
    return [f"User {args.written}"] if args.written else []


def _before(args: ConnectionArgs, folder: Path | None = None) -> list[str]:
    """The person's own configuration, without what ``ssh-jit config --write`` included there (``person_file``).

    ``folder``: of the certificates by which ssh connects; ``None``: ssh is asked once, and no copy is kept.
    """
    if args.config == "none":
        return []
    if not args.config and folder is not None:
        path = person_file.keep(str(folder))
        return [f"Include {path if path == person_file.ITSELF else quoted(Path(path))}"]
    path = person_file.source()
    if args.config:
        path = str(Path(args.config).absolute())
        if not Path(path).is_file():
            raise Invalid("no_config", f"there is no file {args.config}")
    text = person_file.without_ours(path)
    if text is not None:
        return [text.decode("utf-8", "surrogateescape")]
    literal = _GLOB.sub(r"[\1]", path)  # Include takes patterns
    return [f"Include {quoted(Path(literal))}" if args.config else f"Include {person_file.ITSELF}"]


def _after(args: ConnectionArgs) -> list[str]:
    """With ``-F`` ssh does not read the system's configuration, and neither do we."""
    return [] if args.config else ["Include /etc/ssh/ssh_config"]
