"""Checks of the settings for `buildbell doctor`, which continues after an invalid one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bot.settings import Settings
from bot.settings_errors import errors_by_name
from domain.access_policy import InvalidAccessRule
from services.provider_connection import Finding

# Minimum similarity between an unknown name and a setting. `.env` belongs to the bot; the environment also contains
# names of other programs, and short names may be similar by chance.
_MIN_SIMILARITY_IN_FILE, _MIN_SIMILARITY_IN_ENVIRONMENT, _MIN_LENGTH_IN_ENVIRONMENT = 0.75, 0.85, 8
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=", re.MULTILINE)


class _UncheckedSettings(Settings):
    """Settings that may contradict each other."""

    rejects_conflicts = False


@dataclass(frozen=True)
class CheckedSettings:
    """Settings and their findings. `unusable`: unreadable ones, which have their defaults, and ones in a conflict."""

    settings: Settings
    unusable: frozenset[str] = frozenset()
    findings: list[Finding] = field(default_factory=list)

    def can_use(self, *names: str) -> bool:
        """Return whether none of these settings is unusable."""
        return self.unusable.isdisjoint(names)


def check_settings(**values: Any) -> CheckedSettings:
    """Read all settings and report each problem; `values` are passed to pydantic's settings."""
    findings, unusable = [], set[str]()
    try:
        settings: Settings = _UncheckedSettings(**values)
    except ValidationError as problem:
        for name, message in errors_by_name(problem).items():
            unusable.add(name)
            findings.append(
                Finding(name.upper(), message, f"correct {name.upper()} in .env or the environment")
            )
        defaults = {name: Settings.model_fields[name].get_default() for name in unusable}
        settings = _UncheckedSettings(**values | defaults)
    unreadable = {name.upper() for name in unusable}
    for conflict in settings.conflicts():
        if any(name in conflict.message for name in unreadable):
            continue  # caused by the default that replaces an unreadable value
        unusable.update(conflict.names)
        findings.append(Finding("Settings", "a setting is missing or contradicts another", conflict.message))
    findings += _check_files_and_keys(settings, unusable)
    return CheckedSettings(settings, frozenset(unusable), findings)


def _check_files_and_keys(settings: Settings, unusable: Iterable[str]) -> Iterator[Finding]:
    if "policy_file" not in unusable:
        yield _check_policy_file(settings)
    if "buildbell_secret_key" not in unusable:
        yield _check_secret_key(settings)
    if settings.bitrise_webhook_secret is not None and settings.webhook_secret is None:
        yield Finding(
            "Webhooks",
            "BITRISE_WEBHOOK_SECRET is set but WEBHOOK_SECRET is not, so no webhook is accepted",
            "set WEBHOOK_SECRET too, or remove both",
        )


def _check_policy_file(settings: Settings) -> Finding:
    try:
        rules = settings.operator_rules()
    except InvalidAccessRule as problem:
        return Finding("Access rules", str(problem), "correct the file or POLICY_FILE (docs/access-rules.md)")
    if settings.policy_file is None:
        return Finding("Access rules", "POLICY_FILE is not set, so the operator has no rules")
    return Finding(
        "Access rules", f"{settings.policy_file}, with {len(rules)} {'rule' if len(rules) == 1 else 'rules'}"
    )


def _check_secret_key(settings: Settings) -> Finding:
    if settings.buildbell_secret_key is not None:
        return Finding("Key", "BUILDBELL_SECRET_KEY is set and encrypts stored tokens")
    if settings.service_token_acts and settings.buildio_token is None:
        return Finding(
            "Key",
            "BUILDBELL_SECRET_KEY is not set: users can't connect accounts, and everyone acts with BITRISE_TOKEN",
        )
    return Finding(
        "Key",
        "BUILDBELL_SECRET_KEY is not set, so users can't connect accounts",
        "set it to a key from `buildbell new-key`",
    )


def find_misspelled_names(environment: Iterable[str], file: Iterable[str]) -> Mapping[str, str]:
    """Return probably misspelled names, each with the most similar setting that is not set."""
    environment, file = list(environment), list(file)
    known = {name.upper() for name in Settings.model_fields}
    unset = sorted(known - {name.upper() for name in (*environment, *file)})
    found = {}
    for names, min_similarity, min_length in (
        (file, _MIN_SIMILARITY_IN_FILE, 1),
        (environment, _MIN_SIMILARITY_IN_ENVIRONMENT, _MIN_LENGTH_IN_ENVIRONMENT),
    ):
        for name in names:
            upper = name.upper()
            if upper in known or len(name) < min_length:
                continue
            ratio, closest = max(
                ((SequenceMatcher(None, upper, setting).ratio(), setting) for setting in unset),
                default=(0, ""),
            )
            if ratio >= min_similarity:
                found[name] = closest
    return found


def assigned_names(file: Path) -> list[str]:
    """Return the names that a file such as .env assigns; empty if it can't be read."""
    try:
        return _ASSIGNMENT.findall(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []
