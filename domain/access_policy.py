"""Access rules: who may do what, and who must approve it. Pure; no I/O.

There are two sets of rules, the operator's and those of a workspace's admins. An action must be allowed by both: admins
can narrow what the operator allows, but never widen it.

A rule applies to an action, does not apply, or may apply: if it names an app, a channel or anything else that is
unknown for the action, the answer is MAYBE. Within a set, the first rule that certainly applies decides. If there is
none, everyone may who could do it at the provider themselves, except for what is off by default. Rules before it that
may apply only add requirements: the person must be among the people of each.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, StrEnum, auto
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, model_validator
from pydantic_core import ErrorDetails

from domain.build import App, FrozenModel
from domain.provider import Provider
from domain.redaction.redactor import redact
from domain.slack_ids import ChannelId, GroupId, PersonId, WorkspaceId, is_slack_id

DEFAULT_MINUTES = 60
MAX_MINUTES = 24 * 60

Glob = Annotated[str, StringConstraints(min_length=1, max_length=200)]

_BRANCH_PREFIX = "refs/heads/"
# Bitrise slugs, old and new, and Build.io ids.
_SLUG = re.compile(r"[0-9a-f]{16}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Match(Enum):
    """The answer of a rule to the question whether it applies to an action."""

    NO = auto()
    MAYBE = auto()
    YES = auto()


class Part(StrEnum):
    """A part of an action that a rule can name."""

    PERMISSION = "permission"
    WORKSPACE = "workspace"
    PROVIDER = "provider"
    APP = "app"
    CHANNEL = "channel"
    BRANCH = "branch"
    WORKFLOW = "workflow"
    STAGE = "stage"


class Permission(StrEnum):
    """A kind of action that a rule can apply to."""

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


# Subscribing changes nothing at the provider, so it needs no approval.
PROTECTABLE = frozenset(Permission) - {Permission.SUBSCRIBE}
# These give access to everything else, so nobody has them until a rule names them.
OFF_BY_DEFAULT = frozenset({Permission.RUN, Permission.LOGIN})


class Principals(FrozenModel):
    """A set of people: everyone with a linked account, or the named people and user groups; empty means nobody."""

    everyone: bool = False
    people: tuple[PersonId, ...] = ()
    groups: tuple[GroupId, ...] = ()

    @property
    def nobody(self) -> bool:
        """Return whether the set is empty."""
        return not (self.everyone or self.people or self.groups)

    def includes(self, person: str, groups: Iterable[str]) -> bool:
        """Return whether the set includes this person, who is in these groups."""
        return self.everyone or person in self.people or any(group in self.groups for group in groups)


EVERYONE = Principals(everyone=True)
NOBODY = Principals()


class _RuleBase(FrozenModel):
    """The conditions of a rule; an empty part matches everything. Apps are globs on title, slug and owner/repo.

    `workspaces` are the Slack workspaces in which an operator's rule counts; a workspace's own rule counts there only.
    """

    permissions: frozenset[Permission] = frozenset()
    providers: tuple[Provider, ...] = ()
    workspaces: tuple[WorkspaceId, ...] = ()
    who: Principals = EVERYONE
    apps: tuple[Glob, ...] = ()
    channels: tuple[ChannelId, ...] = ()

    @property
    def names_somebody(self) -> bool:
        """Return whether it names people, groups or channels, whose ids belong to one workspace."""
        return bool(self.who.people or self.who.groups or self.channels)

    def counts_in(self, workspace: str) -> bool:
        """Return whether the rule counts, or may count, in this workspace; "" is an unknown one."""
        return _match_name(self.workspaces, workspace) is not Match.NO

    def match(self, access_request: AccessRequest) -> Match:
        """Return whether the rule applies to the action; MAYBE if it names a part that is unknown for the action."""
        answers = self._match_parts(access_request).values()
        return next((match for match in (Match.NO, Match.MAYBE) if match in answers), Match.YES)

    def unknown_parts(self, access_request: AccessRequest) -> frozenset[Part]:
        """Return the unknown parts of the action because of which the answer is MAYBE."""
        answers = self._match_parts(access_request)
        return frozenset(part for part, answer in answers.items() if answer is Match.MAYBE)

    def _match_parts(self, access_request: AccessRequest) -> dict[Part, Match]:
        # Anything that is not a channel id, such as "", is an unknown channel. A direct message is a known one.
        channel = access_request.channel if is_slack_id(access_request.channel, "CGD") else ""
        return {
            Part.PERMISSION: _match_name(self.permissions, access_request.permission),
            Part.WORKSPACE: _match_name(self.workspaces, access_request.workspace),
            Part.PROVIDER: _match_name(self.providers, access_request.provider),
            Part.APP: _match_app(self.apps, access_request.app),
            Part.CHANNEL: _match_name(self.channels, channel),
        }


class AllowRule(_RuleBase):
    """A rule that allows an action to these people and to nobody else."""

    kind: Literal["allow"] = "allow"

    def turns_on(self, permission: Permission) -> bool:
        """Return whether it turns on what is off by default: it must name the permission and allow it to someone."""
        return permission in self.permissions and not self.who.nobody


class ApprovalRule(_RuleBase):
    """A rule that requires approval by a second person of `who` within `minutes`.

    `branches`, `workflows` and `stages` (of pipelines) are globs. What is unknown for the action counts as protected:
    a build that is started by a commit alone may belong to a protected branch.
    """

    kind: Literal["protect"] = "protect"
    branches: tuple[Glob, ...] = ()
    workflows: tuple[Glob, ...] = ()
    stages: tuple[Glob, ...] = ()
    minutes: int = Field(default=DEFAULT_MINUTES, ge=1, le=MAX_MINUTES)

    @model_validator(mode="after")
    def _check_permissions(self) -> ApprovalRule:
        if not self.permissions <= PROTECTABLE:
            raise ValueError("subscribing can't require approval")
        return self

    @property
    def is_conditional(self) -> bool:
        """Return whether the rule depends on the action's branch, workflow or stage."""
        return bool(self.branches or self.workflows or self.stages)

    @property
    def _branches(self) -> tuple[str, ...]:
        # Branches are compared by their short names (git-rev-parse: refs/heads), however a rule spells them.
        short = [glob.strip().removeprefix(_BRANCH_PREFIX) for glob in self.branches]
        return (*self.branches, *(glob for glob in short if glob))

    def _match_parts(self, access_request: AccessRequest) -> dict[Part, Match]:
        answers = super()._match_parts(access_request) | {
            Part.BRANCH: _match_glob(self._branches, access_request.branch),
            Part.WORKFLOW: _match_glob(self.workflows, access_request.workflow),
            Part.STAGE: _match_glob(self.stages, access_request.stage),
        }
        if access_request.permission not in PROTECTABLE:
            answers[Part.PERMISSION] = Match.NO
        return answers


Rule = Annotated[AllowRule | ApprovalRule, Field(discriminator="kind")]
_RULE: TypeAdapter[AllowRule | ApprovalRule] = TypeAdapter(Rule)


class AccessRequest(FrozenModel):
    """An action as access rules see it: what a person wants to do, and where.

    An app, branch, workflow or stage that is None is unknown, or there is none; a branch, workflow or stage that is ""
    means that there is none. A channel or workspace that is "" is unknown.
    """

    permission: Permission
    provider: Provider
    app: App | None = None
    channel: str = ""
    workspace: str = ""
    branch: str | None = None
    workflow: str | None = None
    stage: str | None = None


class InvalidAccessRule(ValueError):
    """The policy can't be read; the message says where, with any token that slipped into the policy redacted."""

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))


_ALLOW_EVERYONE = AllowRule(who=EVERYONE)


def parse_stored_rule(body: str) -> AllowRule | ApprovalRule:
    """Parse a rule that was stored as JSON. Raises ValidationError."""
    return _RULE.validate_json(body)


class Requirement(FrozenModel):
    """A rule whose people must include the person. `unknown`: parts because of which the rule only may apply."""

    rule: AllowRule
    unknown: frozenset[Part] = frozenset()

    @property
    def who(self) -> Principals:
        """The people, one of whom it must be."""
        return self.rule.who


class Verdict(FrozenModel):
    """The result of both sets of rules for an access request.

    A person may do it if it is not `off` and they are among the people of each requirement. If there are
    `protections`, one person who is among the people of each must approve. `operators_alone`: the operator's rules
    name a permission that is off by default, so no other rule turns it on.
    """

    operators: tuple[Requirement, ...]
    admins: tuple[Requirement, ...]
    protections: tuple[ApprovalRule, ...] = ()
    unknown: frozenset[Part] = frozenset()
    off: bool = False
    operators_alone: bool = False

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """The requirements of both sets."""
        return (*self.operators, *self.admins)

    @property
    def approvers(self) -> tuple[Principals, ...]:
        """The sets of people that must each include the approver, without duplicates."""
        return tuple(dict.fromkeys(rule.who for rule in self.protections))

    @property
    def minutes(self) -> int:
        """Minutes within which the action must be approved: the shortest limit of the rules."""
        return min((rule.minutes for rule in self.protections), default=DEFAULT_MINUTES)


def find_requirements(
    rules: Iterable[AllowRule | ApprovalRule], access_request: AccessRequest
) -> tuple[Requirement, ...]:
    """Return what one set of rules requires; the last requirement is the rule that decides, or "everyone".

    The requirements before it are rules that may apply: each adds its people, and none decides.
    """
    requirements = []
    for rule in rules:
        if not isinstance(rule, AllowRule) or (match := rule.match(access_request)) is Match.NO:
            continue
        requirements.append(Requirement(rule=rule, unknown=rule.unknown_parts(access_request)))
        if match is Match.YES:
            return tuple(requirements)
    return (*requirements, Requirement(rule=_ALLOW_EVERYONE))


def required_approvals(
    rules: Iterable[AllowRule | ApprovalRule], access_request: AccessRequest
) -> list[ApprovalRule]:
    """Return all rules that require approval of the action; a rule that may apply counts."""
    return [
        rule
        for rule in rules
        if isinstance(rule, ApprovalRule) and rule.match(access_request) is not Match.NO
    ]


def judge(
    operators: Sequence[AllowRule | ApprovalRule],
    admins: Sequence[AllowRule | ApprovalRule],
    access_request: AccessRequest,
) -> Verdict:
    """Evaluate an access request against the operator's rules and the workspace's.

    What is off by default stays off unless a rule that certainly applies decides, names it, and allows it to someone.
    If the operator's rules name it, for any app or channel, that rule must be theirs: otherwise an admin could allow
    elsewhere what the operator has allowed in one place.
    """
    by_operators, by_admins = (
        find_requirements(operators, access_request),
        find_requirements(admins, access_request),
    )
    permission = access_request.permission
    operators_alone = permission in OFF_BY_DEFAULT and any(
        isinstance(rule, AllowRule)
        and permission in rule.permissions
        and rule.counts_in(access_request.workspace)
        for rule in operators
    )
    deciding = (by_operators,) if operators_alone else (by_operators, by_admins)
    protecting = (*required_approvals(operators, access_request), *required_approvals(admins, access_request))
    unknown = [requirement.unknown for requirement in (*by_operators, *by_admins)]
    unknown += [rule.unknown_parts(access_request) for rule in protecting]
    return Verdict(
        operators=by_operators,
        admins=by_admins,
        protections=protecting,
        unknown=frozenset().union(*unknown),
        off=permission in OFF_BY_DEFAULT
        and not any(requirements[-1].rule.turns_on(permission) for requirements in deciding),
        operators_alone=operators_alone,
    )


def read_policy(path: Path) -> tuple[AllowRule | ApprovalRule, ...]:
    """Read the operator's rules from a TOML file, as docs/access-rules.md describes it. Raises InvalidAccessRule."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidAccessRule(f"{path} can't be read ({error.strerror})") from error
    except ValueError as error:
        raise InvalidAccessRule(f"{path} isn't valid TOML: {error}") from error
    if unknown := set(content) - {"rule"}:
        raise InvalidAccessRule(f"{path}: unknown key {', '.join(sorted(unknown))}; use only [[rule]]")
    rules = content.get("rule", [])
    if not isinstance(rules, list):
        raise InvalidAccessRule(f"{path}: write each rule as [[rule]]")
    return tuple(_parse_rule(rule, f"{path}, rule {number}") for number, rule in enumerate(rules, start=1))


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


def _parse_rule(value: Any, where: str) -> AllowRule | ApprovalRule:
    kinds = [kind for kind in ("allow", "protect") if isinstance(value, Mapping) and kind in value]
    if len(kinds) != 1:
        raise InvalidAccessRule(f"{where}: needs either allow or protect, with a list of actions")
    [kind] = kinds
    if unknown := set(value) - {kind, *_FIELDS[kind]}:
        raise InvalidAccessRule(f"{where}: a rule with {kind} can't have {', '.join(sorted(unknown))}")
    content = {name: value[name] for name in _FIELDS[kind] if name in value}
    if "who" in content:
        content["who"] = _parse_who(content["who"], where)
    elif kind == "allow":
        raise InvalidAccessRule(f'{where}: `who` is missing: "everyone", "nobody", or a list of IDs')
    if value[kind] != "everything":
        if not value[kind]:
            raise InvalidAccessRule(f'{where}: `{kind}` is empty: write a list of actions, or "everything"')
        content["permissions"] = value[kind]
    try:
        return _RULE.validate_python({**content, "kind": kind})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part != kind)
        message = f"{first['input']!r} isn't an ID of this kind" if is_wrong_id(first) else first["msg"]
        raise InvalidAccessRule(f"{where}: {field or kind}: {message}") from error


def is_wrong_id(error: ErrorDetails) -> bool:
    """Return whether the error is about an invalid ID, or an ID of the wrong kind."""
    return error["type"] == "string_pattern_mismatch"


def _parse_who(value: Any, where: str) -> dict[str, Any]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or not names:
        raise InvalidAccessRule(
            f'{where}: `who` must be "everyone", "nobody", or a list of IDs of users (U…) and user groups (S…)'
        )
    if names in (["everyone"], ["nobody"]):
        return {"everyone": names == ["everyone"]}
    people = [name for name in names if name.startswith(("U", "W"))]
    groups = [name for name in names if name.startswith("S")]
    if others := [name for name in names if name not in (*people, *groups)]:
        raise InvalidAccessRule(f"{where}: {others[0]!r} isn't the ID of a user (U…) or a user group (S…)")
    return {"people": people, "groups": groups}


def _match_name(names: Iterable[str], name: str | None) -> Match:
    if not names:
        return Match.YES
    if not name:
        return Match.MAYBE
    return Match.YES if name in names else Match.NO


def _match_app(globs: Sequence[str], app: App | None) -> Match:
    if not globs:
        return Match.YES
    if app is None:
        return Match.MAYBE
    named = [name for name in (app.slug, app.title, app.repository) if name]
    for glob in globs:
        # The provider sets the slug, the app's admins write everything else: a title that looks like another app's
        # slug must not match it.
        names = [app.slug] if _SLUG.fullmatch(glob) else named
        if any(fnmatchcase(_fold(name), _fold(glob)) for name in names):
            return Match.YES
    # Some providers' apps always have a repository, and the provider does not always say which one.
    unknown = app.provider.apps_have_repositories and app.repository is None
    return Match.MAYBE if unknown and any("/" in glob for glob in globs) else Match.NO


def _match_glob(globs: Sequence[str], name: str | None) -> Match:
    if not globs:
        return Match.YES
    if name is None:
        return Match.MAYBE
    return Match.YES if name != "" and any(_glob_matches(glob, name) for glob in globs) else Match.NO


def _glob_matches(glob: str, name: str) -> bool:
    """Return whether a glob matches a name, as it is written or as a file system may read it.

    Git treats `Main` and `main` as two branches, except on file systems that ignore case or invisible characters
    (git-config: core.ignoreCase, core.precomposeUnicode, core.protectHFS). Another spelling must not bypass the
    protection of a name; a needless match only costs a needless approval.
    """
    return fnmatchcase(name, glob) or fnmatchcase(_fold(name), _fold(glob))


def _fold(name: str) -> str:
    composed = unicodedata.normalize("NFKC", name).casefold()
    visible = "".join(letter for letter in composed if unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFKC", visible)
