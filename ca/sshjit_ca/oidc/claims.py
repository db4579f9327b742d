"""What a provider's claims say of somebody. Pure: the claims were verified before.

What decides who somebody is, or what they may do, is read strictly: a wrong type is an error, never "none". What only
describes them is never a reason to lock them out. ``null`` is the same as an absent claim (OpenID Connect Core, 5.3.2).
An absent claim is not an empty list: ``Claims.remarks`` says what the provider left out.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sshjit import names
from sshjit.errors import Invalid
from sshjit.providers import Provider
from sshjit.visible import shown

MAX_GROUPS = 5000
"""Groups of one person; a token has no room for more, an answer of the userinfo endpoint has."""
MAX_GROUP = 1024
"""Characters of a group's name: a distinguished name of a deep directory."""
MAX_NAME = 255
"""Characters of a display name; what is longer is cut."""
MAX_ADDRESS = 320
MAX_FACTORS = 16
MAX_FACTOR = 64
_LATEST = 2**53
_UNSTORABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Controls, halves of characters, and breaks of lines: in no name, and not to be written into a log."""
_FEWER = "the administrator has the provider send only the groups that are assigned to this client"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a provider says of somebody, verified. Times in seconds since the epoch."""

    subject: str
    name: str
    """For people to read; it decides nothing."""
    email: str | None
    verified: bool
    """The address is verified, ASCII, and in one of the provider's domains."""
    groups: tuple[str, ...]
    issued: int
    auth_time: int | None
    """When the person signed in; a token can be new when that was long ago. ``None``: the provider does not say it."""
    factors: tuple[str, ...]
    """What of ``amr`` and ``acr`` counts as a second factor with this provider."""
    own: str | None
    """The person's Unix name, by the operator's table or else by the provider's claim. It may be somebody else's."""
    own_listed: bool
    """It is the operator's table that says so."""
    said_factors: tuple[str, ...] = ()
    """All that ``amr`` and ``acr`` held, as ``amr pwd`` and ``acr 1``."""
    remarks: tuple[str, ...] = ()
    """What the provider left out, and what that means: sentences without a capital and a full stop."""
    session: str | None = None
    """``sid``: the provider's name for the session, by which it may end it."""
    group_paths: tuple[str, ...] = ()
    """Which of ``groups_claim`` there were."""


def read(claims: Mapping[str, Any], provider: Provider, now: int, *, source: str = "ID token") -> Claims:
    """Reads verified claims; ``source`` names for people what holds them.

    Raises:
        Invalid: ``bad_subject``, ``bad_email``, ``bad_groups``, …, naming the claim and who can mend it.

    """
    reader = _Reader({key: value for key, value in claims.items() if value is not None}, provider, source)
    subject = reader.subject()
    email = reader.email()
    confirmed = reader.confirmed(email)
    listed = provider.own_names.get(f"sub:{subject}")
    if listed is None and confirmed is not None:
        listed = provider.own_names.get(f"email:{confirmed}")
    factors, said_factors = reader.second_factors()
    auth_time = time_of(claims, "auth_time") if claims.get("auth_time") else None
    return Claims(
        subject=subject,
        name=reader.display("name") or reader.display("preferred_username") or email or subject,
        email=email,
        verified=confirmed is not None,
        groups=reader.groups(),
        issued=min(time_of(claims, "iat"), now),
        auth_time=None if auth_time is None else min(auth_time, now),
        factors=factors,
        own=listed or (reader.display(provider.own_claim) or None if provider.own_claim else None),
        own_listed=listed is not None,
        said_factors=said_factors,
        remarks=tuple(reader.remarks),
        session=reader.session(),
        group_paths=tuple(reader.group_paths),
    )


def time_of(claims: Mapping[str, Any], key: str) -> int:
    """A time in whole seconds: RFC 7519 lets a NumericDate have a fraction, which is taken to our disadvantage."""
    value = claims.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _LATEST:
        raise bad(f"its {key} is not a time", code="bad_token_time")
    return math.ceil(value) if key in ("iat", "nbf") else math.floor(value)


def bad(problem: str, *, code: str = "bad_token", hint: str = "") -> Invalid:
    """The error of a token, or an answer, that cannot be read."""
    return Invalid(code, f"the ID token cannot be read: {problem}", hint=hint)


class _Reader:
    """Claims without those that are ``null``, and the remarks that are gathered meanwhile."""

    def __init__(self, claims: Mapping[str, Any], provider: Provider, source: str) -> None:
        self._claims = claims
        self._provider = provider
        self._source = source
        self.remarks: list[str] = []
        self.group_paths: list[str] = []

    def subject(self) -> str:
        claim = self._provider.subject_claim
        value = self._claims.get(claim, "")
        if not isinstance(value, str) or len(value) > MAX_NAME or not value.isprintable():
            hint = "it says who somebody is"
            raise bad(f"its {names.show(claim)} is not a short printable text", code="bad_subject", hint=hint)
        if not value:
            raise bad(f"its {claim} is missing", code="bad_subject")
        return value

    def display(self, key: str) -> str:
        """A name for people: without what cannot be seen, and cut; empty if there is none."""
        value = self._claims.get(key)
        if not isinstance(value, str):
            return ""
        text = " ".join(shown(value, lambda each: " " if each.isspace() else "").split())
        return text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 1]}…"

    def email(self) -> str | None:
        value = self._claims.get("email", "")
        if not isinstance(value, str) or len(value) > MAX_ADDRESS or not _storable(value):
            hint = "the administrator corrects the address in the directory, or has the provider leave out the claim"
            raise bad("its email is not an address", code="bad_email", hint=hint)
        return value or None

    def confirmed(self, email: str | None) -> str | None:
        """The address as roles compare it, if it counts; a remark why not, where some address of the provider may."""
        if email is None or not self._provider.email_domains:
            return None
        verified = self._claims.get("email_verified")
        if verified is True:
            confirmed = self._provider.confirms(email)
            why = f"its domain is not one of the email_domains of {self._provider.title}"
            if not email.isascii():
                why = "only an ASCII address can"
        else:
            confirmed = None
            why = (
                f"the {self._source} of {self._provider.title} has no claim 'email_verified'"
                if verified is None
                else f"email_verified is {_spelled(verified)}, not true"
            )
        if confirmed is None:
            self.remarks.append(f"the address {email} counts for no role: {why}")
        return confirmed

    def groups(self) -> tuple[str, ...]:
        """The groups; an overage marker (Entra: ``_claim_names``, ``hasgroups``) is an error, never "no groups"."""
        paths = self._provider.groups_claim
        elsewhere = self._claims.get("_claim_names", {})
        if "hasgroups" in self._claims or (isinstance(elsewhere, dict) and not elsewhere.keys().isdisjoint(paths)):
            hint = "configure the provider to send assigned groups only"
            raise bad("it has too many groups, so the provider left them out", code="groups_left_out", hint=hint)
        present = [(path, value) for path in paths if (value := _at(self._claims, path)) is not None]
        self.group_paths = [path for path, _ in present]
        if not present and paths:
            missing = " or ".join(names.show(path) for path in paths)
            self.remarks.append(f"the {self._source} of {self._provider.title} has no claim {missing}")
        return tuple(sorted({group for path, value in present for group in _names(path, value)}))

    def second_factors(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What counts as a second factor, and all that was said of factors."""
        methods, context = self._claims.get("amr", []), self._claims.get("acr")
        listed = [methods] if isinstance(methods, str) else methods if isinstance(methods, list) else []
        stated = [("amr", method) for method in dict.fromkeys(text for text in listed if isinstance(text, str))]
        stated += [("acr", context)] if isinstance(context, str) else []
        counted = tuple(sorted({value for _, value in stated} & set(self._provider.mfa_values)))
        spoken = (f"{kind} {shown(value, lambda _: '?')[:MAX_FACTOR]}" for kind, value in stated[:MAX_FACTORS])
        return counted, tuple(spoken)

    def session(self) -> str | None:
        value = self._claims.get("sid")
        return value if isinstance(value, str) and names.printable_ascii(value) else None


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of this name, or else what is found by taking the name apart at its dots; ``None`` if there is none."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _names(path: str, value: Any) -> list[str]:
    """Groups, as a list, as one text, or as the keys of an object of objects (Zitadel's roles)."""
    if isinstance(value, dict) and all(isinstance(inner, dict) for inner in value.values()):
        value = list(value)
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list):
        hint = "the administrator corrects `groups_claim`"
        raise bad(f"its {names.show(path)} is not a list of groups", code="bad_groups", hint=hint)
    if len(listed) > MAX_GROUPS:
        problem = f"its {names.show(path)} has {len(listed)} groups; at most {MAX_GROUPS} are taken"
        raise bad(problem, code="too_many_groups", hint=_FEWER)
    groups = [group for group in listed if group not in (None, "")]
    for group in groups:
        if not isinstance(group, str) or not _storable(group):
            raise bad(f"its {names.show(path)} contains something that is not the name of a group", code="bad_groups")
        if len(group) > MAX_GROUP:
            problem = f"a group in its {names.show(path)} has {len(group)} characters; at most {MAX_GROUP} are taken"
            raise bad(problem, code="bad_groups", hint="the administrator has the provider send short names")
    return groups


def _storable(text: str) -> bool:
    return text.isprintable() or _UNSTORABLE.isdisjoint(map(unicodedata.category, text))


def _spelled(value: object) -> str:
    return f"the text {names.show(value)}" if isinstance(value, str) else names.show(str(value).lower())
