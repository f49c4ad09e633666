"""Access rules: who may do what, and who must agree. Pure; no I/O.

There are two sets of rules, the operator's and those of a workspace's admins. An action must be allowed by both: admins
can narrow what the operator allows, and never widen it.

A rule is about an action, is not, or may be: where it names apps or channels (or anything else) that the action does
not have or does not tell, nobody can say. Within a set, the first rule that surely is about the action decides; where
none is, everyone may who could do it at the provider themselves, but for what is off by default. The rules before it
that may be about the action only add to what is required: whoever wants to do it must be among the people of each.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, StrEnum, auto
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, model_validator
from pydantic_core import ErrorDetails

from domain.build import App, FrozenModel
from domain.provider import Provider
from domain.redaction.redactor import redact
from domain.slack_ids import ChannelId, GroupId, PersonId, WorkspaceId, is_slack_id

DEFAULT_MINUTES = 60
MOST_MINUTES = 24 * 60

Glob = Annotated[str, StringConstraints(min_length=1, max_length=200)]

_HEADS = "refs/heads/"
# Slugs of Bitrise, old and new, and ids of Build.io.
_SLUG = re.compile(r"[0-9a-f]{16}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Match(Enum):
    """Answer of a rule to the question whether it is about an action."""

    NO = auto()
    MAYBE = auto()
    YES = auto()


class Part(StrEnum):
    """Part of an action that a rule can name, and that an action has or not."""

    PERMISSION = "permission"
    WORKSPACE = "workspace"
    PROVIDER = "provider"
    APP = "app"
    CHANNEL = "channel"
    BRANCH = "branch"
    WORKFLOW = "workflow"
    STAGE = "stage"


class Permission(StrEnum):
    """Kind of action that a rule can be about."""

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
    """Return what there is to be allowed at a provider."""
    return tuple(one for one in Permission if _ONLY_AT.get(one, provider) is provider)


class Principals(FrozenModel):
    """Some people: everyone who is linked, or those who are named or in one of the user groups; else nobody."""

    everyone: bool = False
    people: tuple[PersonId, ...] = ()
    groups: tuple[GroupId, ...] = ()

    @property
    def nobody(self) -> bool:
        """Return whether nobody is meant."""
        return not (self.everyone or self.people or self.groups)

    def includes(self, person: str, groups: Iterable[str]) -> bool:
        """Return whether the person, who is in these groups, is meant."""
        return self.everyone or person in self.people or any(group in self.groups for group in groups)


EVERYONE = Principals(everyone=True)
NOBODY = Principals()


class _About(FrozenModel):
    """What a rule is about; an empty part means every one. Apps are globs on title, slug and owner/repo.

    `workspaces` are those of Slack in which an operator's rule counts; a rule of one workspace counts in that one.
    """

    permissions: frozenset[Permission] = frozenset()
    providers: tuple[Provider, ...] = ()
    workspaces: tuple[WorkspaceId, ...] = ()
    who: Principals = EVERYONE
    apps: tuple[Glob, ...] = ()
    channels: tuple[ChannelId, ...] = ()

    @property
    def names_somebody(self) -> bool:
        """Return whether it names people, groups or channels, which are others in every workspace."""
        return bool(self.who.people or self.who.groups or self.channels)

    def counts_in(self, workspace: str) -> bool:
        """Return whether the rule counts in this workspace, or may: "" is one that is not known."""
        return _one_of(self.workspaces, workspace) is not Match.NO

    def match(self, access_request: AccessRequest) -> Match:
        """Return whether the rule is about the action; maybe, where it names what the action does not tell."""
        answers = self._match_parts(access_request).values()
        return next((one for one in (Match.NO, Match.MAYBE) if one in answers), Match.YES)

    def unknown_parts(self, access_request: AccessRequest) -> frozenset[Part]:
        """Return what had to be known of the action to say more than maybe."""
        answers = self._match_parts(access_request)
        return frozenset(part for part, answer in answers.items() if answer is Match.MAYBE)

    def _match_parts(self, access_request: AccessRequest) -> dict[Part, Match]:
        # What is no channel's id, such as "", says that the channel is not known. A direct message is known.
        channel = access_request.channel if is_slack_id(access_request.channel, "CGD") else ""
        return {
            Part.PERMISSION: _one_of(self.permissions, access_request.permission),
            Part.WORKSPACE: _one_of(self.workspaces, access_request.workspace),
            Part.PROVIDER: _one_of(self.providers, access_request.provider),
            Part.APP: _match_app(self.apps, access_request.app),
            Part.CHANNEL: _one_of(self.channels, channel),
        }


class AllowRule(_About):
    """A rule by which these people may, and nobody else."""

    kind: Literal["allow"] = "allow"

    def turns_on(self, permission: Permission) -> bool:
        """Return whether it allows what is off by default: by its name, and to somebody."""
        return permission in self.permissions and not self.who.nobody


class ApprovalRule(_About):
    """Whoever may needs a second person of `who`, who agrees within so many minutes.

    `branches`, `workflows` and `stages` (of pipelines) are globs. What is not known of the action counts as protected:
    a build that is started by a commit alone may be one of a protected branch.
    """

    kind: Literal["protect"] = "protect"
    branches: tuple[Glob, ...] = ()
    workflows: tuple[Glob, ...] = ()
    stages: tuple[Glob, ...] = ()
    minutes: int = Field(default=DEFAULT_MINUTES, ge=1, le=MOST_MINUTES)

    @model_validator(mode="after")
    def _can_be_protected(self) -> ApprovalRule:
        if not self.permissions <= PROTECTABLE:
            raise ValueError("subscribing needs no second person")
        return self

    @property
    def is_conditional(self) -> bool:
        """Return whether it depends on the action's branch, workflow or stage."""
        return bool(self.branches or self.workflows or self.stages)

    @property
    def _branches(self) -> tuple[str, ...]:
        # Branches are judged by their short names (git-rev-parse: refs/heads), however a rule spells them.
        short = [glob.strip().removeprefix(_HEADS) for glob in self.branches]
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
    """What somebody wants to do, and where.

    An app, branch, workflow or stage that is None is not known, or there is none; a branch, workflow or stage that is
    "" is none of that kind. A channel or workspace that is "" is not known.
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
    """A policy that can't be read; the sentence says where, and holds no token that slipped into the policy."""

    def __init__(self, words: str) -> None:
        super().__init__(redact(words))


_NO_RULE = AllowRule(who=EVERYONE)


def parse_stored_rule(body: str) -> AllowRule | ApprovalRule:
    """Return the rule that was stored as JSON. Raises ValidationError."""
    return _RULE.validate_json(body)


class Requirement(FrozenModel):
    """A rule among whose people somebody must be. `unknown`: why it is not sure that the rule is about the action."""

    rule: AllowRule
    unknown: frozenset[Part] = frozenset()

    @property
    def who(self) -> Principals:
        """The people."""
        return self.rule.who


class Verdict(FrozenModel):
    """What both sets of rules say to an access request.

    Somebody may if it is not `off` and they are among the people of each requirement. Where there are `protections`,
    one person who is among the people of each must agree. `operators_alone`: the operator's rules name what is off by
    default, so that no other rule turns it on.
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
        """Return among whom the second person must be, each once."""
        return tuple(dict.fromkeys(one.who for one in self.protections))

    @property
    def minutes(self) -> int:
        """Minutes in which somebody must agree: the fewest that a rule gives."""
        return min((one.minutes for one in self.protections), default=DEFAULT_MINUTES)


def find_requirements(
    rules: Iterable[AllowRule | ApprovalRule], access_request: AccessRequest
) -> tuple[Requirement, ...]:
    """Return what one set of rules requires; the last is the rule that decides, or that everyone may.

    The rules before the one that decides are those that may be about the action: each adds its people, and ends
    nothing.
    """
    gathered = []
    for rule in rules:
        if not isinstance(rule, AllowRule) or (match := rule.match(access_request)) is Match.NO:
            continue
        gathered.append(Requirement(rule=rule, unknown=rule.unknown_parts(access_request)))
        if match is Match.YES:
            return tuple(gathered)
    return (*gathered, Requirement(rule=_NO_RULE))


def required_approvals(
    rules: Iterable[AllowRule | ApprovalRule], access_request: AccessRequest
) -> list[ApprovalRule]:
    """Return all rules by which the action needs a second person; what may be protected is."""
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
    """Return what the operator's rules and the workspace's say to an access request.

    What is off by default stays off unless a rule that surely is about the action decides, names it, and allows it to
    somebody. Where the operator's rules name it, for whichever app or channel, such a rule must be theirs: else an
    admin could allow elsewhere what the operator has allowed in one place.
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
    unknown = [one.unknown for one in (*by_operators, *by_admins)]
    unknown += [one.unknown_parts(access_request) for one in protecting]
    return Verdict(
        operators=by_operators,
        admins=by_admins,
        protections=protecting,
        unknown=frozenset().union(*unknown),
        off=permission in OFF_BY_DEFAULT and not any(one[-1].rule.turns_on(permission) for one in deciding),
        operators_alone=operators_alone,
    )


def read_policy(path: Path) -> tuple[AllowRule | ApprovalRule, ...]:
    """Read the operator's rules from a TOML file, as docs/access-rules.md describes it. Raises InvalidAccessRule."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidAccessRule(f"{path} can't be read ({error.strerror})") from error
    except ValueError as error:
        raise InvalidAccessRule(f"{path} is no TOML: {error}") from error
    if unknown := set(content) - {"rule"}:
        raise InvalidAccessRule(f"{path}: there is only [[rule]], not {', '.join(sorted(unknown))}")
    rules = content.get("rule", [])
    if not isinstance(rules, list):
        raise InvalidAccessRule(f"{path}: write each rule as [[rule]]")
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


def _rule(written: Any, where: str) -> AllowRule | ApprovalRule:
    kinds = [kind for kind in ("allow", "protect") if isinstance(written, Mapping) and kind in written]
    if len(kinds) != 1:
        raise InvalidAccessRule(f"{where}: needs either allow or protect, a list of what it is about")
    [kind] = kinds
    if unknown := set(written) - {kind, *_FIELDS[kind]}:
        raise InvalidAccessRule(f"{where}: {kind} knows no {', '.join(sorted(unknown))}")
    content = {name: written[name] for name in _FIELDS[kind] if name in written}
    if "who" in content:
        content["who"] = _who(content["who"], where)
    elif kind == "allow":
        raise InvalidAccessRule(f"{where}: who may?")
    if written[kind] != "everything":
        if not written[kind]:
            raise InvalidAccessRule(f'{where}: {kind} what? A list, or "everything"')
        content["permissions"] = written[kind]
    try:
        return _RULE.validate_python({**content, "kind": kind})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != kind)
        words = f"{first['input']!r} is no id of this kind" if is_wrong_id(first) else first["msg"]
        raise InvalidAccessRule(f"{where}: {place or kind}: {words}") from error


def is_wrong_id(error: ErrorDetails) -> bool:
    """Return whether the error is about an ID that is none, or one of another kind."""
    return error["type"] == "string_pattern_mismatch"


def _who(written: Any, where: str) -> dict[str, Any]:
    names = [written] if isinstance(written, str) else written
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or not names:
        raise InvalidAccessRule(
            f'{where}: who is "everyone", "nobody", or a list of ids of people (U…) and groups (S…)'
        )
    if names in (["everyone"], ["nobody"]):
        return {"everyone": names == ["everyone"]}
    people = [name for name in names if name.startswith(("U", "W"))]
    groups = [name for name in names if name.startswith("S")]
    if others := [name for name in names if name not in (*people, *groups)]:
        raise InvalidAccessRule(f"{where}: {others[0]!r} is no id of a person (U…) or a user group (S…)")
    return {"people": people, "groups": groups}


def _one_of(named: Iterable[str], one: str | None) -> Match:
    if not named:
        return Match.YES
    if not one:
        return Match.MAYBE
    return Match.YES if one in named else Match.NO


def _match_app(globs: Sequence[str], app: App | None) -> Match:
    if not globs:
        return Match.YES
    if app is None:
        return Match.MAYBE
    named = [name for name in (app.slug, app.title, app.repository) if name]
    for glob in globs:
        # A slug is given by the provider, all else is written by whoever administers the app: a title that looks like
        # another app's slug must not pass for it.
        names = [app.slug] if _SLUG.fullmatch(glob) else named
        if any(fnmatchcase(_folded(name), _folded(glob)) for name in names):
            return Match.YES
    # Some providers' apps always have a repository, and the provider does not always say which one.
    unknown = app.provider.apps_have_repositories and app.repository is None
    return Match.MAYBE if unknown and any("/" in glob for glob in globs) else Match.NO


def _match_glob(globs: Sequence[str], name: str | None) -> Match:
    if not globs:
        return Match.YES
    if name is None:
        return Match.MAYBE
    return Match.YES if name != "" and any(_fits(glob, name) for glob in globs) else Match.NO


def _fits(glob: str, name: str) -> bool:
    """Return whether a name is protected by a glob, as it is written or as a file system may read it.

    To Git `Main` and `main` are two branches, but not where it keeps them in files whose names may not differ by case
    or invisible characters alone (git-config: core.ignoreCase, core.precomposeUnicode, core.protectHFS). A protected
    name must not be escaped by another spelling of it; one name too many asks for a second person without need.
    """
    return fnmatchcase(name, glob) or fnmatchcase(_folded(name), _folded(glob))


def _folded(name: str) -> str:
    composed = unicodedata.normalize("NFKC", name).casefold()
    visible = "".join(one for one in composed if unicodedata.category(one) != "Cf")
    return unicodedata.normalize("NFKC", visible)
