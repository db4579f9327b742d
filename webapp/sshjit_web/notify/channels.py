"""The ways out, made of ``[notify]``: mail, chats and pagers by Apprise, and webhooks.

Apprise is imported here and nowhere else, and so only by the process that delivers. It gets plain text, and the address
of one channel from a file that only its owner can write; its own configuration files, folders of plug-ins, attachments
and caches on disk are not used.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apprise
from apprise.plugins import url_to_dict

from sshjit import names
from sshjit.errors import Failed, Invalid
from sshjit_web.config import read_trusted
from sshjit_web.escape_controls import escape_controls
from sshjit_web.notify import webhooks
from sshjit_web.notify.delivery import Channel, Message
from sshjit_web.notify_config import ChannelConfig, NotifyConfig

MAX_PROBLEM = 200
"""Characters of what is kept of a failure."""
MIN_SECRET = 6
"""Characters: shorter parts of an address are too common to be taken out of what a service said."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A service that Apprise knows. ``mails`` are addressed to a recipient of their own each."""

    address: str

    def send(self, message: Message, now: int) -> None:  # noqa: ARG002 -- the services stamp it themselves
        """Delivers to the channel, or to the recipient if there is one."""
        parts = _parts(self.address)
        if message.recipient:
            parts = {**parts, "targets": [f"<{message.recipient}>"], "format": "text"}
        service = apprise.Apprise.instantiate(dict(parts), asset=_asset())
        if service is None:
            raise Failed("not_delivered", "the address of the channel is not understood any more")
        if message.recipient:
            _require_recipient(service, message.recipient)
        sender = apprise.Apprise(asset=_asset())
        sender.add(service)
        title, text = message.mail if message.recipient else message.chat
        done = sender.notify(title=title, body=text, body_format="text", log_level=logging.WARNING)
        if not done:
            said = "; ".join(entry.message for entry in done.logs()) or "the service did not accept it"
            raise Failed("not_delivered", escape_controls(without_secrets(said, self.address))[:MAX_PROBLEM])


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook."""

    receiver: webhooks.Receiver

    def send(self, message: Message, now: int) -> None:
        """Delivers the body, signed."""
        self.receiver.send(message.id, message.body, now)


def open_all(config: NotifyConfig, folder: Path, *, plain_http: bool) -> Mapping[str, Channel]:
    """Every channel; relative paths are below ``folder``, plain ``http://`` webhooks are for development only.

    Raises:
        Invalid: ``bad_channel``, ``bad_secret`` or ``bad_url``, naming the channel or its file.
        Failed: a file is missing, or others can read it.

    """
    return {
        name: _open(name, channel, folder, people=name == config.mail, plain_http=plain_http)
        for name, channel in config.channels.items()
    }


def _open(name: str, channel: ChannelConfig, folder: Path, *, people: bool, plain_http: bool) -> Channel:
    if channel.webhook is not None and channel.secret_file is not None:
        path = folder / channel.secret_file
        keys = webhooks.secrets(read_trusted(path, secret=True), str(path))
        return Hook(webhooks.Receiver(names.url(channel.webhook, plain_http=plain_http), keys))
    path = folder / (channel.apprise_file or "")
    address = read_trusted(path, secret=True).strip()
    hint = f"look at {path}: one Apprise URL, for example mailtos://user:password@mail.example.com?from=ssh-jit@example.com"
    try:
        parts = _parts(address)
        known = apprise.Apprise.instantiate(dict(parts), asset=_asset()) is not None
    except Failed:
        known, parts = False, {}
    if not known:
        raise Invalid("bad_channel", f"the address of the channel {name} is not understood", hint=hint)
    if people and "targets" not in parts:
        raise Invalid("bad_channel", f"the channel {name} cannot send mail to single people", hint=hint)
    return Chat(address)


def _require_recipient(service: Any, recipient: str) -> None:
    """That the service made of an address what it is: Apprise takes a bare ``o'brien@…`` for ``brien@…``.

    Raises:
        Failed: ``gone``: another try is of no use.

    """
    targets = getattr(service, "targets", ())
    made = [target[-1] if isinstance(target, (tuple, list)) else target for target in targets]
    if made != [recipient]:
        shown = escape_controls(", ".join(map(str, made)))[:MAX_PROBLEM] or "nobody"
        raise Failed("gone", f"the mail service takes this address for another one ({shown}); nothing was sent")


def _parts(address: str) -> dict[str, Any]:
    parts: dict[str, Any] | None = url_to_dict(address, secure_logging=True)  # type: ignore[no-untyped-call]
    if parts is None:
        raise Failed("not_delivered", "the address of the channel is not understood any more")
    return parts


def _asset() -> apprise.AppriseAsset:
    """How Apprise behaves: one thread, ours; nothing on disk; no addresses in its log."""
    return apprise.AppriseAsset(
        app_id="ssh-jit",
        app_desc="ssh-jit",
        app_url="",
        async_mode=False,
        storage_mode="memory",
        secure_logging=True,
    )


def without_secrets(text: str, address: str) -> str:
    """What a service said, without the parts of the channel's address that it may have repeated."""
    for part in sorted(re.split(r"[/:@?&=#,]+", address)[1:], key=len, reverse=True):
        if len(part) >= MIN_SECRET:
            text = text.replace(part, "…")
    return text
