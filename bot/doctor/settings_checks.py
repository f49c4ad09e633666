"""What is wrong with the settings, each by its name: for `buildbell doctor`, which goes on after a bad one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bot.doctor.finding import Finding
from bot.settings import Settings, problems_by_name
from domain.access_policy import InvalidAccessRule

# How alike a name must be to one of a setting. `.env` is the bot's own; the environment holds other programs' names,
# too, of which short ones are alike by chance.
_ALIKE_IN_FILE, _ALIKE_IN_ENVIRONMENT, _SHORTEST_IN_ENVIRONMENT = 0.75, 0.85, 8
_ASSIGNED = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=", re.MULTILINE)


class _SettingsAsTheyAre(Settings):
    """The settings, also where they do not fit together."""

    refuses_conflicts = False


@dataclass(frozen=True)
class Looked:
    """The settings as far as they can be read; those that are `unusable`, by their fields' names, have defaults."""

    settings: Settings
    unusable: frozenset[str] = frozenset()
    findings: list[Finding] = field(default_factory=list)

    def can_use(self, *names: str) -> bool:
        """Whether all of these settings are as somebody has set them."""
        return self.unusable.isdisjoint(names)


def look_at_settings(**given: Any) -> Looked:
    """Read all settings, and say of each what is wrong with it; `given` is what pydantic's settings take."""
    findings, unusable = [], set[str]()
    try:
        settings: Settings = _SettingsAsTheyAre(**given)
    except ValidationError as problem:
        for name, words in problems_by_name(problem).items():
            unusable.add(name)
            findings.append(
                Finding(name.upper(), words, f"correct {name.upper()} in .env or the environment")
            )
        defaults = {name: Settings.model_fields[name].get_default() for name in unusable}
        settings = _SettingsAsTheyAre(**given | defaults)
    unreadable = {name.upper() for name in unusable}
    for conflict in settings.conflicts():
        if any(name in conflict.words for name in unreadable):
            continue  # it is about the default that stands in for what can't be read
        unusable.update(conflict.names)
        findings.append(Finding("Settings", "something is missing or does not fit", conflict.words))
    findings += _each_by_itself(settings, unusable)
    return Looked(settings, frozenset(unusable), findings)


def _each_by_itself(settings: Settings, unusable: Iterable[str]) -> Iterator[Finding]:
    if "policy_file" not in unusable:
        yield _policy_file(settings)
    if "buildbell_secret_key" not in unusable:
        yield _secret_key(settings)
    if settings.bitrise_webhook_secret is not None and settings.webhook_secret is None:
        yield Finding(
            "Webhooks",
            "BITRISE_WEBHOOK_SECRET is set and WEBHOOK_SECRET is not, so none is taken",
            "set WEBHOOK_SECRET, too, or leave both out",
        )


def _policy_file(settings: Settings) -> Finding:
    try:
        rules = settings.operator_rules()
    except InvalidAccessRule as problem:
        return Finding("Policy", str(problem), "correct the file, or POLICY_FILE (docs/access-rules.md)")
    if settings.policy_file is None:
        return Finding("Policy", "no POLICY_FILE, so the operator narrows nothing")
    return Finding(
        "Policy", f"{settings.policy_file}, with {len(rules)} {'rule' if len(rules) == 1 else 'rules'}"
    )


def _secret_key(settings: Settings) -> Finding:
    if settings.buildbell_secret_key is not None:
        return Finding("Key", "BUILDBELL_SECRET_KEY is set, and seals the tokens that people link")
    if settings.service_token_acts and settings.buildio_token is None:
        return Finding(
            "Key",
            "BUILDBELL_SECRET_KEY is not set: nobody can link an account, and all act with BITRISE_TOKEN",
        )
    return Finding(
        "Key",
        "BUILDBELL_SECRET_KEY is not set, so nobody can link an account",
        "set it to what `buildbell new-key` prints",
    )


def look_for_misspelt_names(environment: Iterable[str], file: Iterable[str]) -> Mapping[str, str]:
    """Names that are probably meant to be settings, each with the setting's; none that is set itself is meant."""
    environment, file = list(environment), list(file)
    known = {name.upper() for name in Settings.model_fields}
    unset = sorted(known - {name.upper() for name in (*environment, *file)})
    found = {}
    for names, alike, shortest in (
        (file, _ALIKE_IN_FILE, 1),
        (environment, _ALIKE_IN_ENVIRONMENT, _SHORTEST_IN_ENVIRONMENT),
    ):
        for name in names:
            upper = name.upper()
            if upper in known or len(name) < shortest:
                continue
            ratio, meant = max(
                ((SequenceMatcher(None, upper, one).ratio(), one) for one in unset), default=(0, "")
            )
            if ratio >= alike:
                found[name] = meant
    return found


def names_in(file: Path) -> list[str]:
    """The names that a file such as .env gives values to; none where it can't be read."""
    try:
        return _ASSIGNED.findall(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []
