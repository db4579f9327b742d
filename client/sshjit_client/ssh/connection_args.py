"""The words of a connection: ``ssh-jit [options] [user@]host [command]``.

Our own options are long (``--action``); all others are ssh's and go to ssh in their order, unchanged. Which of them
take a value is from ssh(1), 9.2 to 10. Other modules check host and account. Every connection loads this module: it
imports nothing.
"""

from __future__ import annotations

WITH_VALUE = frozenset("BbcDEeFIiJLlmOoPpQRSWw")
"""ssh's options that take a value, in the same word or the next."""

OURS = {
    "--action": "action",
    "--reason": "reason",
    "--for": "duration",
    "--start": "start",
    "--installation": "installation",
}
"""Our own options; each takes a value."""

FLAGS = frozenset(("--break-glass", "--no-wait", "--non-interactive", "--quiet", "--yes"))
"""Our own options without a value."""

LOCAL = frozenset("VQGO")
"""ssh's options that do not open a session: version, queries, the configuration, and a master's control commands."""

FORWARDING = {"A": "agent", "L": "port", "R": "port", "D": "port", "W": "port", "w": "port", "X": "x11", "Y": "x11"}
"""ssh's options that forward something -> what a rule has to allow for it."""

_WRITTEN = frozenset(
    (
        "canonicaldomains",
        "canonicalizehostname",
        "globalknownhostsfile",
        "hostkeyalgorithms",
        "hostkeyalias",
        "hostname",
        "identityagent",
        "include",
        "port",
        "proxycommand",
        "proxyjump",
        "revokedhostkeys",
        "tag",
    )
)
"""Keywords of ``-o`` by which another host is reached, or which change what is written for a certificate."""

_WRITTEN_BY_LETTER = {"J": "proxyjump", "P": "tag", "p": "port"}
"""ssh's options that say the same."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
"""What may stand in an account's name on every ssh's command line; other names go through the written file."""


class Usage(Exception):  # it is a message to the person, not a fault
    """The command line makes no sense; the text says why."""


class ConnectionArgs:
    """One command line.

    ``ssh``: the words for ssh, without what goes to it in another form; ``options``: those before the command;
    ``typed``: all that is ssh's, as it was typed.
    """

    __slots__ = (
        "action",
        "asked",
        "break_glass",
        "command",
        "config",
        "duration",
        "flags",
        "forwards",
        "host",
        "installation",
        "jump",
        "local",
        "login",
        "options",
        "persist",
        "reaching",
        "reason",
        "shares",
        "ssh",
        "start",
        "typed",
        "ways",
        "written",
    )

    def __init__(self) -> None:
        self.action = "shell"
        self.reason = ""
        self.duration = ""
        self.start = ""
        self.config = ""
        """The value of ``-F``; empty if there is none."""
        self.host = ""
        """The host as typed; empty if there is none."""
        self.installation = ""
        """The value of ``--installation``; empty: the one that has the host."""
        self.jump = ""
        """The value of ``-J``, or of ``-o ProxyJump=…``; empty if there is none. It is not among ``options``."""
        self.login = ""
        """The account that ssh takes from ``user@``, ``-l`` or ``-o User=``; empty if there is none."""
        self.written = ""
        """The account if it was typed and ssh might refuse it there: then it stands in the written file alone."""
        self.shares = False
        """Whether a shared connection was asked for: ``-M``, ``-o ControlMaster=…``."""
        self.persist = ""
        """The value of ``ControlPersist`` as typed; empty if it was not."""
        self.reaching: tuple[str, ...] = ()
        """The hosts that are reached through this one; none where it was typed itself."""
        self.asked: list[str] = []
        """Options that count only when ssh is asked what it would do; what they say stands in the written file."""
        self.forwards: dict[str, str] = {}
        """What is forwarded -> the option that says so."""
        self.command: list[str] = []
        self.options: list[str] = []
        self.ssh: list[str] = []
        self.typed: list[str] = []
        self.ways: list[str] = []
        """What was typed of ``_WRITTEN``: two ways to a host have a certificate each."""
        self.local = False
        self.flags: set[str] = set()
        self.break_glass = False
        """Whether this is access by break-glass."""

    @property
    def plain(self) -> bool:
        """Whether nothing was typed that has to be looked at, even if a certificate is alive."""
        return not (self.forwards or self.shares or self.persist or self.jump)

    @property
    def silent(self) -> bool:
        """Whether nobody may be asked anything."""
        return "--non-interactive" in self.flags

    @property
    def plain_words(self) -> list[str]:
        """What was typed, for plain ssh, without ``-J``."""
        config, login = (["-F", self.config] if self.config else []), (["-l", self.written] if self.written else [])
        return [*config, *login, *self.ssh]

    @property
    def exact_command(self) -> str:
        """The command for ``--action command``, as ssh would send it; else empty."""
        return " ".join(self.command) if self.action == "command" else ""


def read(words: list[str], flags: tuple[str, ...] = ()) -> ConnectionArgs:
    """Reads the words after ``ssh-jit`` as ssh does: options may come before and after the host.

    ``flags``: long options without a value that this command has too.

    Raises:
        Usage: an unknown long option, or one without its value.

    """
    args = ConnectionArgs()
    at, closed = 0, False
    while at < len(words):
        word, start = words[at], at
        at += 1
        if not closed and word == "--":
            closed = True
            args.options.append(word)
        elif not closed and word.startswith("--"):
            if word in flags or word in FLAGS:
                args.flags.add(word)
            else:
                at = _ours(args, word, words, at)
            continue
        elif not closed and word.startswith("-") and word != "-":
            at = short(args, word, words, at)
        elif not args.host:
            args.options.append(destination(args, word))
        else:
            at = start
            break
        args.typed += words[start:at]
        if closed and args.host:
            break
    args.command = words[at:]
    args.typed += args.command
    if args.silent:
        args.options[:0] = ("-o", "BatchMode=yes")
    args.ssh = args.options + args.command
    if args.action == "command" and not args.command:
        raise Usage("--action command needs a command")
    return args


def _ours(args: ConnectionArgs, word: str, words: list[str], at: int) -> int:
    name = word.partition("=")[0]
    if name not in OURS:
        raise Usage(f"{name} is not an option of ssh-jit")
    value, at = value_of(word, words, at)
    setattr(args, OURS[name], value)
    return at


def value_of(word: str, words: list[str], at: int) -> tuple[str, int]:
    """The value of ``--name=value``, or of ``--name value``, and the position after it."""
    name, equals, value = word.partition("=")
    if not equals:
        if at == len(words):
            raise Usage(f"{name} needs a value")
        value = words[at]
        at += 1
    if not value:
        raise Usage(f"{name} needs a value")
    return value, at


def short(args: ConnectionArgs, word: str, words: list[str], at: int) -> int:
    """One word of ssh's short options: ``-v``, ``-tt``, ``-p22``, ``-vp 22``."""
    for place, letter in enumerate(word[1:], start=1):
        _note(args, letter)
        if letter not in WITH_VALUE:
            continue
        value, end = word[place + 1 :], at
        if not value:
            if at == len(words):
                break  # ssh has a better message
            value, end = words[at], at + 1
        if _taken(args, letter, value):
            args.options += [word[:place]] if place > 1 else []
        else:
            args.options += words[at - 1 : end]
        return end
    args.options.append(word)
    return at


def _note(args: ConnectionArgs, letter: str) -> None:
    """Notes what an option by itself means for us."""
    if letter in LOCAL:
        args.local = True
    elif letter == "M":
        args.shares = True
    elif letter in FORWARDING:
        args.forwards.setdefault(FORWARDING[letter], f"-{letter}")
    elif letter in "ax":
        args.forwards.pop("agent" if letter == "a" else "x11", None)


def _taken(args: ConnectionArgs, letter: str, value: str) -> bool:
    """Notes the value of an option; whether it is one that goes to ssh in another form. Raises ``Usage``."""
    if letter in _WRITTEN_BY_LETTER:
        args.ways.append(f"{_WRITTEN_BY_LETTER[letter]} {value}")
    if letter == "F":
        args.config = value
    elif letter == "J":
        if args.jump:
            raise Usage("-J stands once, with commas between its hosts")
        args.jump = value
    elif letter == "l":
        return _account(args, value)
    elif letter == "o":
        return _option(args, value)
    elif letter == "S":
        return value != "none"
    return letter in "FJ"


def _option(args: ConnectionArgs, text: str) -> bool:
    """Notes ``-o``; whether it is one that goes to ssh in another form."""
    text = text.strip().lstrip('"')
    end = next((place for place, letter in enumerate(text) if not letter.isalnum()), len(text))
    keyword, value = text[:end].lower(), text[end:].lstrip('"').replace("=", " ", 1).strip().strip('"')
    if keyword in _WRITTEN:
        args.ways.append(f"{keyword} {value}")
    match keyword:
        case "user":
            return _account(args, value)
        case "proxyjump":
            args.jump = args.jump or value
            return True
        case "controlmaster":
            args.shares = True
        case "controlpath":
            return value != "none"
        case "controlpersist":
            args.persist = args.persist or value.lower()
            args.asked += ["-o", f"ControlPersist={value}"]
            return True
        case "globalknownhostsfile":
            args.asked += ["-o", f"GlobalKnownHostsFile={value}"]
            return True
    return False


def _account(args: ConnectionArgs, value: str) -> bool:
    """Notes an account; whether it may not stand on the command line. As in ssh, an earlier one counts."""
    odd = not _PLAIN.issuperset(value) and (_PLAIN | {".", "$"}).issuperset(value)
    if not args.login:
        args.login, args.written = value, value if odd else ""
    return odd or bool(args.written)


def destination(args: ConnectionArgs, word: str) -> str:
    """Reads ``host``, ``user@host`` or ``ssh://user@host:port``; returns what of it goes to ssh. Raises ``Usage``."""
    place, start = word, 0
    if word.startswith("ssh://"):
        start = len("ssh://")
        place = word[start:].rstrip("/")
        head, colon, port = place.rpartition(":")
        if colon and port.isdecimal():
            place = head
            args.ways.append(f"port {port}")
    user, at, host = place.rpartition("@")
    if not host or (at and not user):
        raise Usage(f"{word!r} is not a destination")
    args.host = host
    return word[:start] + word[start + len(user) + 1 :] if user and _account(args, user) else word
