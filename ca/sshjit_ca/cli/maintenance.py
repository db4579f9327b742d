"""The subcommands that keep the CA well: how it is, its database, backups, its clock, and emergencies."""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sshjit import ca_protocol as m
from sshjit import durations, wire
from sshjit.api.views import BastionView, RouteView
from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit_ca import config
from sshjit_ca.cli import show as cli_show
from sshjit_ca.config import Config
from sshjit_ca.keys import files
from sshjit_ca.machine import owner
from sshjit_ca.machine.durable import PUBLIC, read_plain, write_durably
from sshjit_ca.operations import admin_client
from sshjit_ca.service import standby
from sshjit_ca.storage.database import sqlite_file
from sshjit_ca.storage.store import Store

AS_OWNER, FOR_GOOD, BY_ITSELF = "as_owner", "for_good", "by_itself"
"""How a command that opens the CA's home works on it (``machine/owner.py``); all others ask at ``admin.sock``."""
_EMERGENCY = """\
Normally the running CA signs. With --offline this command takes the log over for a moment, and the log shows it. With
--no-database the record is kept in the CA's home until the CA next starts; then hosts are named by their ids (web1,
or web1~2 for the second machine of that name). Run it as root or as the CA's user.
"""


def add_commands(commands: Any) -> None:
    """Adds the subcommands."""
    _add(commands, "migrate", "update the database's schema", migrate).set_defaults(works=FOR_GOOD)
    _json(_add(commands, "status", "show the state of the CA", _status))
    doctor = _json(_add(commands, "doctor", "find problems, and say what to do about them", _doctor))
    doctor.add_argument("--front-end", metavar="URL", help="the address of the pages: its redirect addresses are tried")
    doctor.set_defaults(works=FOR_GOOD)
    backup = _add(commands, "backup", "write database, checkpoint, epoch and settings into one archive", _backup)
    backup.add_argument("file", type=Path, metavar="FILE", help="the archive (tar), readable by its owner only")
    backup.add_argument(
        "--with-keys", action="store_true", help="include the private keys: anyone with this file can sign"
    )
    backup.set_defaults(works=AS_OWNER)
    restore = _add(
        commands, "restore", "continue with an older copy of the log, and record in it what is lost", _restore
    )
    restore.set_defaults(works=AS_OWNER)
    restore.add_argument("file", type=Path, nargs="?", metavar="FILE", help="a backup, or an SQLite copy [in place]")
    restore.add_argument(
        "--accept-loss", action="store_true", required=True, help="accept that everything after the copy is lost"
    )
    restore.add_argument("--reason", required=True, metavar="TEXT", help="the reason, for the log")
    confirm = _json(_add(commands, "confirm-clock", "accept the clock as it is now, after it jumped", _confirm_clock))
    confirm.add_argument("--reason", required=True, metavar="TEXT", help="what happened, for the log")
    confirm.add_argument("--yes", action="store_true", help="do not ask; needed where the clock moved by a day or more")
    sign = _json(_add(commands, "sign-emergency", "sign an emergency certificate, past all rules", _sign_emergency))
    sign.epilog = _EMERGENCY
    sign.add_argument("--login", required=True, metavar="USER", help="the account on the hosts")
    sign.add_argument(
        "--host", required=True, action="append", metavar="NAME", help="an enrolled host; may be repeated"
    )
    sign.add_argument(
        "--key",
        required=True,
        type=Path,
        metavar="FILE.pub",
        help="the public key; the certificate is written to FILE-cert.pub",
    )
    sign.add_argument("--reason", required=True, metavar="TEXT", help="the reason, for the log")
    sign.add_argument("--for", dest="lifetime", default="15m", metavar="TIME", help="15m at most [15m]")
    sign.add_argument(
        "--via", default="", metavar="ID", help="with --no-database: the bastion that the hosts are behind"
    )
    how = sign.add_mutually_exclusive_group()
    how.add_argument("--offline", dest="ca_down", action="store_true", help="the CA is down")
    how.add_argument("--no-database", action="store_true", help="the CA and its database are down")


def migrate(conf: Config, _: argparse.Namespace) -> int:
    """Brings the schema up to date."""
    store = Store(conf.database)
    try:
        store.migrate()
    finally:
        store.close()
    return 0


def _status(conf: Config, options: argparse.Namespace) -> int:
    reply = admin_client.call(conf.admin_socket, m.Status(), m.StatusReply)
    print(json.dumps(wire.encode(reply)) if options.json else cli_show.status(reply))
    return 0 if reply.ready else 1


def _doctor(conf: Config, options: argparse.Namespace) -> int:
    from sshjit_ca.operations import doctor  # noqa: PLC0415 - the other commands start faster without them
    from sshjit_ca.service import daemon  # noqa: PLC0415 - the other commands start faster without them

    findings = doctor.examine(
        conf, lambda: daemon.machine_clock(conf, keep=False), options.places, front_end=options.front_end
    )
    if options.json:
        rows = [
            {"area": finding.area, "level": finding.level, "message": finding.message, "hint": finding.hint}
            for finding in findings
        ]
        print(json.dumps({"ok": not any(finding.level == "bad" for finding in findings), "findings": rows}))
    else:
        print(cli_show.findings(findings))
    return 1 if any(finding.level == "bad" for finding in findings) else 0


def _backup(conf: Config, options: argparse.Namespace) -> int:
    from sshjit_ca.operations import backup as backing  # noqa: PLC0415

    size = backing.back_up(conf, options.config, options.file.absolute(), with_keys=options.with_keys)
    print(f"{options.file}: {size} entries of the log" + (", and the private keys" if options.with_keys else ""))
    return 0


def _restore(conf: Config, options: argparse.Namespace) -> int:
    from sshjit_ca.operations import restore as restoring  # noqa: PLC0415
    from sshjit_ca.service import daemon  # noqa: PLC0415

    if options.file is not None:
        put_in_place(conf, options.file)
    owner.settle_for_good()  # before a key is opened
    clock, passing = daemon.machine_clock(conf), standby.Time(time.monotonic, time.sleep)
    outcome = restoring.restore(conf, options.places, clock, passing, options.reason)
    print(f"the log continues after entry {outcome.size} in epoch {outcome.epoch}; {outcome.lost} entries are lost")
    if outcome.kept is not None:
        print(f"what is lost: ssh-jit-ca log verify --against {outcome.kept}")
    return 0


def put_in_place(conf: Config, file: Path) -> None:
    """Puts the database of a backup, or a plain copy, where the CA looks for it."""
    from sshjit_ca.operations import backup as backing  # noqa: PLC0415
    from sshjit_ca.operations import restore as restoring  # noqa: PLC0415

    database = sqlite_file(conf.database)
    if database is None:
        _fill(conf, file)
        return
    if database.exists():
        _nobody_writes(conf)
    with tempfile.TemporaryDirectory(dir=conf.home) as folder:
        copy = Path(folder) / "ca.db"
        backing.unpack(file, copy)
        aside = restoring.put_in_place(database, copy, files.load_public(conf.key_file("log")))
    if aside is not None:
        print(f"the previous database is now {aside}")


def _fill(conf: Config, file: Path) -> None:
    """Puts the database of a backup into an empty one of PostgreSQL."""
    from sshjit_ca.operations import backup as backing  # noqa: PLC0415
    from sshjit_ca.storage import copying, scan  # noqa: PLC0415

    target = Store(conf.database)
    try:
        with tempfile.TemporaryDirectory(dir=conf.home) as folder:
            copy = Path(folder) / "ca.db"
            backing.unpack(file, copy)
            source = Store(f"sqlite:///{copy}", read_only=True)
            try:
                with scan.moment(source) as connection:
                    copying.copy_into(connection, target)
            finally:
                source.close()
    finally:
        target.close()


def _nobody_writes(conf: Config) -> None:
    """By its socket, and by what it leaves in the database: it may listen elsewhere, or on another machine."""
    with contextlib.suppress(Failed):
        admin_client.call(conf.admin_socket, m.Health(), m.HealthReply)
        raise Invalid("writer_lives", "the CA is running", hint="stop it first")
    store = Store(conf.database, read_only=True)
    passing = standby.Time(time.monotonic, time.sleep)
    try:
        alone = standby.wait(store, passing, lambda _: None, limit=standby.PATIENCE + 1)
    except SshJitError:
        return  # it is damaged: nobody writes
    finally:
        store.close()
    if not alone:
        raise Refused("writer_lives", "a CA is writing this log", hint="stop it first")


DAY = 24 * 3600


def _confirm_clock(conf: Config, options: argparse.Namespace) -> int:
    if not options.yes:
        ask_about_the_clock(admin_client.call(conf.admin_socket, m.Status(), m.StatusReply))
    reply = admin_client.call(conf.admin_socket, m.ConfirmClock(options.reason), m.ClockReply)
    if options.json:
        print(json.dumps(wire.encode(reply)))
    else:
        now = cli_show.instant(reply.time)
        print(f"the time is {now} UTC; the clock had moved by {reply.drift:+d} s; signing continues")
    return 0


def ask_about_the_clock(status: m.StatusReply) -> None:
    """Shows what is about to be believed, and asks.

    Raises:
        Invalid: ``not_confirmed``, for a no, without a terminal, and for a step of a day or more.

    """
    now = int(time.time())
    drift, behind = round(status.clock_drift / 1000), status.last_entry - now
    print(f"this machine's clock says {cli_show.instant(now)} UTC", file=sys.stderr)
    print(f"the CA's last entry is of {cli_show.instant(status.last_entry)} UTC", file=sys.stderr)
    print(f"the clock has moved by {drift:+d} s against the machine's boot clock", file=sys.stderr)
    if max(abs(drift), behind) >= DAY:
        raise Invalid("not_confirmed", "that is a day or more; nothing was changed", hint="if it is right: --yes")
    if not sys.stdin.isatty():
        raise Invalid("not_confirmed", "there is nobody to ask; nothing was changed", hint="if it is right: --yes")
    print("is this the date and the time now? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().casefold() not in {"y", "yes"}:
        raise Invalid("not_confirmed", "the clock was not confirmed", hint="set it right, then confirm it")


def _sign_emergency(conf: Config, options: argparse.Namespace) -> int:
    if options.via and not options.no_database:
        raise Invalid(
            "bad_usage", "--via goes with --no-database", hint="the CA knows which hosts are behind a bastion"
        )
    key = public_key(options.key)
    lifetime = durations.parse(options.lifetime)
    message = m.SignEmergency(options.login, tuple(options.host), key, options.reason, lifetime)
    if options.ca_down or options.no_database:
        owner.settle(conf.home, for_good=False)
        signed = owner.run_for_good(lambda: _sign_alone(options, message))
        reply = wire.decode_answer(m.EmergencyReply, wire.loads(signed))
    else:
        reply = admin_client.call(conf.admin_socket, message, m.EmergencyReply)
    stem = options.key.with_name(options.key.name.removesuffix(".pub"))
    target = Path(f"{stem}-cert.pub")
    passing = {Path(f"{stem}-{bastion.target}-cert.pub"): bastion for bastion in reply.bastions}
    try:
        write_certificate(target, reply.text)
        for place, bastion in passing.items():
            write_certificate(place, bastion.text)
    except OSError as error:
        what = f"certificate {reply.serial} was signed and recorded, but {target} cannot be written: {error.strerror}"
        raise Failed(
            "not_written", what, hint="repeat it with a copy of the key in a folder that you can write to"
        ) from None
    if options.json:
        print(json.dumps(wire.encode(reply)))
    else:
        until = cli_show.instant(reply.valid_before)
        print(f"{target}: certificate {reply.serial} for {', '.join(reply.principals)}, until {until} UTC")
        routes = {route.host_id: route for route in reply.routes}
        for place, bastion in passing.items():
            print(
                f"{place}: certificate {bastion.serial}, through {bastion.route.host} to {bastion.target}; connect by:"
            )
            print(f"  {way_through(stem, place, bastion, routes.get(bastion.target), options.login)}")
    return 0


def way_through(stem: Path, place: Path, passing: BastionView, route: RouteView | None, login: str) -> str:
    """The command that connects through a bastion; in capitals what only the database would say."""
    who = f"{passing.login or 'JUMP-ACCOUNT'}@{passing.route.address or passing.route.host}"
    jump = ["ssh", "-i", str(stem), "-o", f"CertificateFile={place}", "-p", str(passing.route.port or 22)]
    jump += ["-W", "%h:%p", who]
    port, address = ("22", f"{login}@ADDRESS") if route is None else (str(route.port), f"{login}@{route.address}")
    return shlex.join(["ssh", "-i", str(stem), "-o", f"ProxyCommand={shlex.join(jump)}", "-p", port, address])


def _sign_alone(options: argparse.Namespace, message: m.SignEmergency) -> bytes:
    """The CA's answer while there is no CA, as it would be on the wire."""
    from sshjit_ca.operations import offline_signing  # noqa: PLC0415
    from sshjit_ca.service import daemon  # noqa: PLC0415

    conf = config.load(options.config)  # as the owner reads it
    clock, passing = daemon.machine_clock(conf), standby.Time(time.monotonic, time.sleep)
    if options.ca_down:
        reply = offline_signing.sign(conf, options.places, clock, passing, message)
    else:
        reply = offline_signing.sign_without_database(conf, options.places, clock, message, options.via)
    return json.dumps(wire.encode(reply)).encode("utf-8")


def write_certificate(target: Path, line: str) -> None:
    """Writes a certificate where everybody may read it; one that is replaced keeps its owner. Raises ``OSError``."""
    with owner.as_operator():
        write_durably(target, f"{line}\n".encode("ascii"), PUBLIC)


def public_key(path: Path) -> str:
    """The line of a public key's file without its comment, which may be in any characters.

    Raises:
        Invalid: ``bad_key``.

    """
    try:
        with owner.as_operator():
            line = read_plain(path, MAX_KEY).decode("utf-8", "replace").strip()
    except OSError as error:
        raise Invalid("bad_key", f"{path} cannot be read: {error.strerror}") from None
    key = " ".join(line.split(None, 2)[:2])
    if not key.isascii() or "\n" in line:
        raise Invalid("bad_key", f"{path} is not a public key: one line with type, base64, and perhaps a comment")
    return key


MAX_KEY = 16 * 1024
"""Bytes of a public key's file; RSA keys of 16384 bits have 3 KiB."""


def _add(commands: Any, name: str, text: str, function: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=function)
    return parser


def _json(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser
