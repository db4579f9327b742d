"""Emergency certificates while the CA is down: the operator's command becomes the CA for a moment.

It takes the log over like any other writer, so a CA that is running somewhere after all is fenced, and one that is seen
to be running is left alone. With the database down, the record is spooled (``emergency.sign_without_database``).
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from sshjit.ca_protocol.operating import EmergencyReply, SignEmergency
from sshjit.errors import Failed, Refused, SshJitError
from sshjit_ca.access import emergency_certificates
from sshjit_ca.authority import Authority
from sshjit_ca.config import Config
from sshjit_ca.keys.active_keys import remembered
from sshjit_ca.keys.key_store import KeyStore
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.log.summary_words import clock as clock_time
from sshjit_ca.log.summary_words import where
from sshjit_ca.machine.clock import Clock
from sshjit_ca.machine.spool import Spool
from sshjit_ca.question import Question
from sshjit_ca.service import daemon, standby
from sshjit_ca.service.alerts import Alarm, Alarms
from sshjit_ca.storage.store import Store


def sign(
    config: Config, places: KeyLocations, clock: Clock, time: standby.Time, message: SignEmergency
) -> EmergencyReply:
    """The certificate, once its entry is durable in the log.

    Raises:
        Refused: ``writer_lives``.
        SshJitError: what is wrong with the message, the log, the keys or the clock; ``no_database``.

    """
    store = Store(config.database)
    try:
        if not standby.wait(store, time, lambda _: None, limit=standby.PATIENCE + 1):
            raise Refused("writer_lives", "a CA is running on this log", hint="ask it: run this without --offline")
        authority = Authority(daemon.open_context(config, store, places, clock))
        authority.begin(standby.me())
        (answer,) = authority.answer([Question(message, "admin")])
        authority.end()
    finally:
        store.close()
    if isinstance(answer, SshJitError):
        raise answer
    if not isinstance(answer, EmergencyReply):
        raise Failed("defect", "the CA has a bug: the answer is of another type")
    _sound(config, message, answer)
    return answer


def sign_without_database(
    config: Config, places: KeyLocations, clock: Clock, message: SignEmergency, via: str = ""
) -> EmergencyReply:
    """The certificate, once its record is durable in the spool; ``message.hosts`` are ids of hosts.

    ``via``: the id of the bastion that they are behind; then one more for each.

    Raises:
        SshJitError: what is wrong with the message, the keys or the clock.

    """
    key_store = KeyStore(places if config.agent_socket is None else replace(places, agent=config.agent_socket))
    signer = remembered(config.home / "keys" / "turns.json", key_store, "user_ca")
    now = clock.now(0)
    spool = Spool(config.home)
    answer = emergency_certificates.sign_without_database(message, signer, spool, now, secrets.token_bytes, via)
    _sound(config, message, answer)
    return answer


def _sound(config: Config, message: SignEmergency, signed: EmergencyReply) -> None:
    """Sounds the alarm that no running CA can sound now; the next one sounds it again, from the log."""
    place, until = where(message.login, message.hosts), clock_time(signed.valid_before)
    summary = f'EMERGENCY certificate {signed.serial}: {place}, until {until}: "{message.reason}"'
    told_at = signed.valid_before - message.lifetime
    alarm = Alarm("emergency", config.installation, None, told_at, summary, None, ())
    Alarms(config.home, config.syslog, config.alert_command).tell(alarm)
