"""Who may do what: rules, and what they say to a question. Pure; no I/O.

There are two sets of rules, the operator's and those of a workspace's admins. An act must be allowed by both: admins
can narrow what the operator allows, and never widen it. Within a set the first rule that is about the act decides;
where none is, everyone may who could do it at the provider themselves, but for what is off by default.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from bot.build import App, Frozen
from bot.provider import Provider

DEFAULT_MINUTES = 60
MOST_MINUTES = 24 * 60

Person = Annotated[str, StringConstraints(pattern=r"^[UW][A-Z0-9]{2,20}$")]
Group = Annotated[str, StringConstraints(pattern=r"^S[A-Z0-9]{2,20}$")]
Workspace = Annotated[str, StringConstraints(pattern=r"^T[A-Z0-9]{2,20}$")]
Channel = Annotated[str, StringConstraints(pattern=r"^[CGD][A-Z0-9]{2,20}$")]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Permission(StrEnum):
    """What a rule can be about."""

    ABORT = "abort"
    TRIGGER = "trigger"
    ARTIFACTS = "artifacts"
    APPROVE = "approve"
    DEPLOY = "deploy"
    RESTART = "restart"
    RUN = "run"
    CONFIG = "config"
    DOMAINS = "domains"
    CREATE = "create"
    DELETE = "delete"
    LOGIN = "login"
    SUBSCRIBE = "subscribe"


# Subscribing changes nothing at the provider, so it needs no second person.
PROTECTABLE = frozenset(Permission) - {Permission.SUBSCRIBE}
# Whoever may do these sees and does everything else, so they are nobody's until a rule names them.
OFF_BY_DEFAULT = frozenset({Permission.RUN, Permission.LOGIN})
_ONLY_AT: Mapping[Permission, Provider] = MappingProxyType(
    {
        **dict.fromkeys(
            (Permission.ABORT, Permission.TRIGGER, Permission.ARTIFACTS, Permission.APPROVE), Provider.BITRISE
        ),
        **dict.fromkeys(
            (
                Permission.DEPLOY,
                Permission.RESTART,
                Permission.RUN,
                Permission.CONFIG,
                Permission.DOMAINS,
                Permission.CREATE,
                Permission.DELETE,
                Permission.LOGIN,
            ),
            Provider.BUILDIO,
        ),
    }
)


def permissions_at(provider: Provider) -> tuple[Permission, ...]:
    """What there is to be allowed at a provider."""
    return tuple(one for one in Permission if _ONLY_AT.get(one, provider) is provider)


class Who(Frozen):
    """Some people: everyone who is linked, or those who are named or in one of the user groups; else nobody."""

    everyone: bool = False
    people: tuple[Person, ...] = ()
    groups: tuple[Group, ...] = ()

    @property
    def nobody(self) -> bool:
        """Whether nobody is meant."""
        return not (self.everyone or self.people or self.groups)

    def includes(self, person: str, groups: Iterable[str]) -> bool:
        """Whether the person, who is in these groups, is meant."""
        return self.everyone or person in self.people or any(group in self.groups for group in groups)


EVERYONE = Who(everyone=True)
NOBODY = Who()


class _About(Frozen):
    """What a rule is about; an empty part means every one. Apps are globs on title, slug and owner/repo.

    `workspaces` are those of Slack in which an operator's rule counts; a rule of one workspace counts in that one.
    """

    permissions: frozenset[Permission] = frozenset()
    providers: tuple[Provider, ...] = ()
    workspaces: tuple[Workspace, ...] = ()
    who: Who = EVERYONE
    apps: tuple[Glob, ...] = ()
    channels: tuple[Channel, ...] = ()

    @property
    def names_somebody(self) -> bool:
        """Whether it names people, groups or channels, which are others in every workspace."""
        return bool(self.who.people or self.who.groups or self.channels)

    def counts_in(self, workspace: str) -> bool:
        """Whether the rule counts in this workspace at all."""
        return not self.workspaces or workspace in self.workspaces

    def is_about(self, question: Question) -> bool:
        """Whether the rule is about this act. An act without an app, or in no channel, is in doubt: it is."""
        return (
            (not self.permissions or question.permission in self.permissions)
            and (not self.providers or question.provider is None or question.provider in self.providers)
            and (not self.apps or question.app is None or _names(self.apps, question.app))
            and (not self.channels or not question.channel or question.channel in self.channels)
        )


class Allow(_About):
    """These people may, and nobody else."""

    kind: Literal["allow"] = "allow"

    def turns_on(self, question: Question) -> bool:
        """Whether it allows what is off by default: by its name, beyond doubt, and to somebody."""
        return (
            question.permission in self.permissions
            and self.is_about(question)
            and (not self.apps or question.app is not None)
            and (not self.channels or bool(question.channel))
            and not self.who.nobody
        )


class Protect(_About):
    """Whoever may needs a second person of `who`, who agrees within so many minutes.

    `branches`, `workflows` and `stages` (of pipelines) are globs. What is not known of the act counts as protected: a
    build that is started by a commit alone may be one of a protected branch.
    """

    kind: Literal["protect"] = "protect"
    branches: tuple[Glob, ...] = ()
    workflows: tuple[Glob, ...] = ()
    stages: tuple[Glob, ...] = ()
    minutes: int = Field(default=DEFAULT_MINUTES, ge=1, le=MOST_MINUTES)

    @model_validator(mode="after")
    def _can_be_protected(self) -> Protect:
        if not self.permissions <= PROTECTABLE:
            raise ValueError("subscribing needs no second person")
        return self

    def is_about(self, question: Question) -> bool:
        """Whether the act needs a second person."""
        return (
            question.permission in PROTECTABLE
            and super().is_about(question)
            and _any_fits(self.branches, question.branch)
            and _any_fits(self.workflows, question.workflow)
            and _any_fits(map(str.casefold, self.stages), question.stage and question.stage.casefold())
        )


Rule = Annotated[Allow | Protect, Field(discriminator="kind")]
_RULE: TypeAdapter[Allow | Protect] = TypeAdapter(Rule)


class Question(Frozen):
    """What somebody wants to do, and where; what is None is not known, and what is "" is none of that kind."""

    permission: Permission
    provider: Provider | None = None
    app: App | None = None
    channel: str = ""
    branch: str | None = None
    workflow: str | None = None
    stage: str | None = None


class PolicyProblem(ValueError):
    """A policy that can't be read; the sentence says where."""


def rule_from(body: str) -> Allow | Protect:
    """The rule that was kept as JSON. Raises ValidationError."""
    return _RULE.validate_json(body)


def who_may(rules: Iterable[Allow | Protect], question: Question) -> Allow:
    """The first rule about the act that says who may; everyone where there is none."""
    return next(
        (rule for rule in rules if isinstance(rule, Allow) and rule.is_about(question)), Allow(who=EVERYONE)
    )


def is_off(sets: Iterable[Iterable[Allow | Protect]], question: Question) -> bool:
    """Whether it is something that is nobody's by default, and the rules that decide in these sets do not name it."""
    return question.permission in OFF_BY_DEFAULT and not any(
        who_may(rules, question).turns_on(question) for rules in sets
    )


def protections(rules: Iterable[Allow | Protect], question: Question) -> list[Protect]:
    """All rules by which the act needs a second person."""
    return [rule for rule in rules if isinstance(rule, Protect) and rule.is_about(question)]


def read_policy(path: Path) -> tuple[Allow | Protect, ...]:
    """The operator's rules, from a TOML file; docs/policy.md says how it is written. Raises PolicyProblem."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyProblem(f"{path} can't be read ({error.strerror})") from error
    except ValueError as error:
        raise PolicyProblem(f"{path} is no TOML: {error}") from error
    if unknown := set(content) - {"rule"}:
        raise PolicyProblem(f"{path}: there is only [[rule]], not {', '.join(sorted(unknown))}")
    rules = content.get("rule", [])
    if not isinstance(rules, list):
        raise PolicyProblem(f"{path}: write each rule as [[rule]]")
    return tuple(_rule(one, f"{path}, rule {number}") for number, one in enumerate(rules, start=1))


_FIELDS = {
    "allow": ("providers", "workspaces", "apps", "channels", "who"),
    "protect": (
        "providers",
        "workspaces",
        "apps",
        "channels",
        "branches",
        "workflows",
        "stages",
        "who",
        "minutes",
    ),
}


def _rule(written: Any, where: str) -> Allow | Protect:
    kinds = [kind for kind in ("allow", "protect") if isinstance(written, Mapping) and kind in written]
    if len(kinds) != 1:
        raise PolicyProblem(f"{where}: needs either allow or protect, a list of what it is about")
    [kind] = kinds
    if unknown := set(written) - {kind, *_FIELDS[kind]}:
        raise PolicyProblem(f"{where}: {kind} knows no {', '.join(sorted(unknown))}")
    content = {name: written[name] for name in _FIELDS[kind] if name in written}
    if "who" in content:
        content["who"] = _who(content["who"], where)
    elif kind == "allow":
        raise PolicyProblem(f"{where}: who may?")
    if written[kind] != "everything":
        if not written[kind]:
            raise PolicyProblem(f'{where}: {kind} what? A list, or "everything"')
        content["permissions"] = written[kind]
    try:
        return _RULE.validate_python({**content, "kind": kind})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != kind)
        raise PolicyProblem(f"{where}: {place or kind}: {first['msg']}") from error


def _who(written: Any, where: str) -> dict[str, Any]:
    names = [written] if isinstance(written, str) else written
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or not names:
        raise PolicyProblem(
            f'{where}: who is "everyone", "nobody", or a list of ids of people (U…) and groups (S…)'
        )
    if names in (["everyone"], ["nobody"]):
        return {"everyone": names == ["everyone"]}
    people = [name for name in names if name.startswith(("U", "W"))]
    groups = [name for name in names if name.startswith("S")]
    if others := [name for name in names if name not in (*people, *groups)]:
        raise PolicyProblem(f"{where}: {others[0]!r} is no id of a person (U…) or a user group (S…)")
    return {"people": people, "groups": groups}


def _names(globs: Iterable[str], app: App) -> bool:
    names = [name.casefold() for name in (app.title, app.slug, app.repository) if name]
    return any(fnmatchcase(name, glob.casefold()) for glob in globs for name in names)


def _any_fits(globs: Iterable[str], name: str | None) -> bool:
    globs = tuple(globs)
    return not globs or name is None or (name != "" and any(fnmatchcase(name, glob) for glob in globs))
