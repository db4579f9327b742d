"""What somebody typed before they had to sign in: kept on the way to the provider and back.

Nothing is sent by itself afterwards: a form is shown again, filled in, or asks whether what was typed is still meant.
A draft belongs to the browser and to the person for whom the form was made, also if their session is over. What a link
filled in, before anybody signed in, belongs to the browser alone.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select

from sshjit_web.schema import DRAFTS
from sshjit_web.store import Store, digest

LIFETIME = 1800
"""Seconds for which a draft is kept: a person may take a third of it at the provider, and begin again."""
MAX_CONTENT = 16_000
"""Characters of a draft, as JSON. A larger one is not kept."""
OF_BROWSER = 10
"""Drafts of one browser that are kept."""
MOST = 2_000
"""Drafts that are kept: the oldest make room for newer ones, and those that anybody can make, by a link, before all
that somebody signed in typed."""
COUNT_EVERY = 100


@dataclass(frozen=True, slots=True)
class Draft:
    """A form as it was sent: the view that takes it, the names in its address, its fields."""

    endpoint: str
    view_args: dict[str, str]
    fields: tuple[tuple[str, str], ...]
    subject: str = ""
    """Who typed it, as ``Services.author`` says it; empty for a link that somebody opened who was not signed in."""

    def text(self) -> str:
        """The content as it is kept."""
        return json.dumps([self.view_args, self.fields])


class Drafts:
    """Reads and writes drafts. Every method raises ``Failed`` (``database_down``) as the store's do."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._made = itertools.count(1)

    def keep(self, draft_id: str, browser: str, draft: Draft, *, now: int) -> bool:
        """Keeps a draft; ``False`` if it is too large."""
        content = draft.text()
        if len(content) > MAX_CONTENT:
            return False
        newest = select(DRAFTS.c.id_hash).order_by(DRAFTS.c.expires.desc(), DRAFTS.c.id_hash)
        mine = DRAFTS.c.browser_hash == digest(browser)
        row = {
            "id_hash": digest(draft_id),
            "browser_hash": digest(browser),
            "subject": draft.subject,
            "endpoint": draft.endpoint,
            "content": content,
            "expires": now + LIFETIME,
        }
        with self._store.writing() as connection:
            if connection.execute(select(func.count()).select_from(DRAFTS).where(mine)).scalar_one() >= OF_BROWSER:
                kept = newest.where(mine).limit(OF_BROWSER - 1)
                connection.execute(delete(DRAFTS).where(mine, DRAFTS.c.id_hash.not_in(kept)))
            connection.execute(insert(DRAFTS).values(row))
            if next(self._made) % COUNT_EVERY == 0:
                typed_first = select(DRAFTS.c.id_hash).order_by(
                    DRAFTS.c.subject == "", DRAFTS.c.expires.desc(), DRAFTS.c.id_hash
                )
                connection.execute(delete(DRAFTS).where(DRAFTS.c.id_hash.in_(typed_first.offset(MOST))))
        self._store.sweep(now)
        return True

    def find(self, draft_id: str, browser: str, *, now: int) -> Draft | None:
        """The draft of this browser, as often as it is wanted until its time is over."""
        query = select(DRAFTS.c.endpoint, DRAFTS.c.content, DRAFTS.c.subject).where(
            DRAFTS.c.id_hash == digest(draft_id),
            DRAFTS.c.browser_hash == digest(browser),
            DRAFTS.c.expires > now,
        )
        row = self._store.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            return None
        view_args, fields = json.loads(row.content)
        return Draft(row.endpoint, view_args, tuple((name, value) for name, value in fields), row.subject)
