"""Shared terms: named sets of requirements and clocks that rules take, and may only tighten.

``[terms.prod]`` holds keys of rules. A rule with ``terms = ["prod"]`` has every key of the set that it does not say
itself; one that it does say must not give more than the set. After this nothing knows of sets: a rule is what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from sshjit import durations
from sshjit.approvals import Step, covers
from sshjit.errors import Invalid
from sshjit.passkeys import SIGNED
from sshjit.policy.model import CLIENT
from sshjit.policy.networks import within
from sshjit.policy.owners import MARK
from sshjit.policy.problems import Path
from sshjit.policy.reader import Table, kind

Terms = Mapping[str, Any]
"""Keys of rules with their values, as TOML has them."""


def with_terms(value: object, path: Path, top: Table, sets: Mapping[str, Terms], known: Collection[str]) -> object:
    """A rule's table with what the sets say that it takes; ``known`` are the keys of its kind."""
    if not isinstance(value, dict) or "terms" not in value:
        return value
    rule = Table({"terms": value["terms"]}, path, top.report, {"terms": True})
    taken = {name: _with_meant(sets.get(name, {})) for name in rule.one_or_more("terms", sets, "set of terms") or ()}
    merged = dict(value)
    for key in dict.fromkeys(key for terms in taken.values() for key in terms):
        saying = {name: terms[key] for name, terms in taken.items() if key in terms}
        if key not in known:
            rule.wrong(("terms",), f'"{next(iter(saying))}" says {key}, which such a rule cannot have')
        elif key in value:
            laxer = next((name for name, said in saying.items() if not gives_no_more(key, said, value[key])), None)
            if laxer is not None:
                rule.wrong((key,), f'gives more than the terms "{laxer}", which may only be tightened')
        else:
            tightest = _tightest(key, saying.values())
            if tightest is None:
                names = " and ".join(f'"{name}"' for name in saying)
                rule.wrong(
                    ("terms",), f"{names} differ in {key}, and neither gives less", f"say {key} in one of them alone"
                )
            merged[key] = next(iter(saying.values())) if tightest is None else tightest
    return merged


def _with_meant(terms: Terms) -> Terms:
    """The set with what it means by leaving a key out beside one that it says: the checker's silence is no yes."""
    return {"ticket_down": "refuse", **terms} if "ticket" in terms else terms


def _tightest(key: str, values: Iterable[Any]) -> Any:
    """The one that gives no more than all the others; ``None`` if there is none."""
    listed = list(values)
    return next((each for each in listed if all(gives_no_more(key, other, each) for other in listed)), None)


def gives_no_more(key: str, terms: Any, rule: Any) -> bool:
    """Whether ``rule``, the value of a rule's key, gives no more and requires no less than that of ``terms``.

    Of values that are not well formed it says yes: what is wrong with them is said elsewhere.
    """
    try:
        return _COMPARED[key](terms, rule)
    except (Invalid, TypeError, ValueError, KeyError, AttributeError):
        return kind(terms) == kind(rule) or terms == rule


def _no_longer(terms: Any, rule: Any) -> bool:
    return durations.parse(rule) <= durations.parse(terms)


def _no_weaker(terms: Any, rule: Any) -> bool:
    return rule is True or terms is False


def _same_pattern(terms: Any, rule: Any) -> bool:
    return "pattern" not in terms or rule.get("pattern") == terms["pattern"]


def _within(terms: Any, rule: Any) -> bool:
    """Whether the certificates work from nowhere else."""
    if CLIENT in (terms, rule):
        return bool(terms == rule)
    return within(rule, terms)


def _steps(value: Any) -> list[Step]:
    return [_step(step) for step in value]


def _step(step: Any) -> Step:
    but = (f"{MARK}{step['not_own']}",) if "not_own" in step else ()
    signed = step.get("signed", False)
    plain = Step(step["from"], int(step["count"]), signed is not False, but, passkey=SIGNED.get(str(signed), ""))
    later = step.get("escalate")
    return plain if later is None else replace(plain, instead=later["to"], after=durations.parse(later["after"]))


def _no_more_grants(terms: Any, rule: Any) -> bool:
    pairs = [(of, key) for of in terms for key in terms[of]]
    return all(key in rule.get(of, {}) and rule[of][key] <= terms[of][key] for of, key in pairs)


_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    **dict.fromkeys(("fresh_login", "use_by", "grant", "certificate", "pending"), _no_longer),
    **dict.fromkeys(("mfa", "hardware_key", "signed_request", "post_quantum", "post_quantum_key"), _no_weaker),
    "max_hosts": lambda terms, rule: rule <= terms,
    "forwarding": lambda terms, rule: set(rule) <= set(terms),
    **dict.fromkeys(("source", "networks"), _within),
    "reason": _same_pattern,
    "ticket": lambda terms, rule: rule == terms,
    "ticket_down": lambda terms, rule: rule == "refuse" or terms == "allow",
    "approvals": lambda terms, rule: covers(_steps(rule), _steps(terms)),
    "limits": _no_more_grants,
    "extend": lambda terms, rule: rule["count"] <= terms["count"] and _no_longer(terms["by"], rule["by"]),
}
"""Key -> whether the second value gives no more than the first."""
