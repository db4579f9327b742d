"""What a webhook says: one JSON object of a notice, with the fields of the CA's own views. Pure.

The envelope is that of Standard Webhooks: ``type``, ``timestamp``, ``data``. Values are as they were asked, not made
inert: a program reads them, and must treat them as what strangers wrote.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sshjit.api.views import PersonView, RequestView
from sshjit_web.notify.messages import Content, remark
from sshjit_web.notify.notices import Notice


def body(notice: Notice, content: Content) -> str:
    """The text that is signed and sent; the same each time that it is tried."""
    item = notice.item
    data: dict[str, Any] = {
        "position": item.index,
        "summary": item.summary,
        "title": content.title,
        "link": content.link,
        "actor": None if item.actor is None else _person(item.actor),
        "labels": dict[str, list[str]](),
        "request": None if item.request is None else _request(item.request),
        "claims": list(item.claims),
    }
    for key, value in item.labels:
        data["labels"].setdefault(key, []).append(value)
    if item.request is not None and notice.topic == "commented":
        data["comment"] = remark(item, item.request)
    when = datetime.fromtimestamp(item.time, UTC)
    whole = {"type": f"ssh_jit.{notice.topic}", "timestamp": f"{when:%Y-%m-%dT%H:%M:%SZ}", "data": data}
    return json.dumps(whole, ensure_ascii=True, separators=(",", ":"))


def _person(view: PersonView) -> dict[str, Any]:
    return {"id": view.id, "provider": view.provider, "name": view.name, "email": view.email}


def _request(view: RequestView) -> dict[str, Any]:
    return {
        "id": view.id,
        "state": view.state.value,
        "how": view.how,
        "requester": _person(view.requester),
        "hosts": list(view.hosts),
        "login": view.login,
        "action": view.action,
        "command": view.command,
        "duration": view.duration,
        "reason": view.reason,
        "rule": view.rule,
        "policy": view.policy,
        "asked": view.asked,
        "pending_until": view.pending_until,
        "ends": view.ends,
        "break_glass": view.break_glass,
        "review_by": view.review_by,
        "extends": view.extends,
        "decisions": [
            {"person": _person(each.person), "verdict": each.verdict, "comment": each.comment, "signed": each.signed}
            for each in view.decisions
        ],
        "closing": view.closing,
    }
