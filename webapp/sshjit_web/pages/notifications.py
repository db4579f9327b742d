"""How the notifications are, for auditors: what is owed, sent and given up. Trying again is the operator's."""

from __future__ import annotations

from sshjit.errors import Refused
from sshjit_web.auth import current_login
from sshjit_web.notify import looking
from sshjit_web.pages import room
from sshjit_web.pages.room import blueprint
from sshjit_web.services import services


@blueprint.get("/notifications")
def notifications() -> str:
    """The state of every channel, and what was given up. These rows are the front end's own, so it decides."""
    login = current_login()
    if "audit" not in login.permissions:
        raise Refused("not_permitted", "only whoever has the permission audit sees this")
    have = services()
    found = looking.overview(have.store.engine)
    return room.render("notifications.html", login, found=found, works=found.lease > have.now())
