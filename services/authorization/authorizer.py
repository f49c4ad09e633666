"""The one place where it is asked whether somebody may do something: for each command, button, modal and step alike."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from domain.access_policy import (
    DEFAULT_MINUTES,
    AccessRequest,
    AllowRule,
    ApprovalRule,
    Part,
    Permission,
    Principals,
    Requirement,
    Verdict,
    judge,
)
from domain.build import FrozenModel
from domain.provider import Provider
from services.accounts.provider_clients import Clients
from services.accounts.user_tokens import BROKEN
from services.authorization.user_groups import UserGroups
from services.slack.errors import SlackCallFailed
from services.slack.workspace_members import MembershipUnknown
from storage.repositories import Repositories

log = structlog.get_logger()

OPERATORS = "whoever runs Buildbell has set that"
ADMINS = "an admin of this workspace has set that"
NOT_LINKED = (
    "I do this with your own {provider} account. Type `{command} connect` to link it, then try again."
)
OFF = (
    "Nobody may {what} here: that is off, until {whoever} allows it by a rule that names it (`{permission}`)."
)
EITHER = "whoever runs Buildbell or an admin of this workspace"
OPERATOR_ALONE = "whoever runs Buildbell"
NAMED_BY_OPERATOR = "Their rules name it for other cases, so a rule of this workspace can't turn it on."
NO_CHANNEL_KNOWN = (
    "Some rules are about certain channels, and from here I can't tell the channel: try it in a channel."
)
NO_APP = "Some rules are about certain apps, and this is about no app: so all of them hold."
NO_REPOSITORY = "Some rules name repositories, and {provider} does not say this app's: so all of them hold."
NO_WORKSPACE = "Slack does not say which workspace this comes from. Try it in a channel."
NOT_VOUCHED = (
    "A workflow does this in somebody's name. Fill in *On behalf of* in its step: that person approves it in a direct"
    " message, each time the step runs. Without a person it works only where SERVICE_TOKEN_ACTS is set."
)
_DOING = {
    Permission.ABORT: "abort builds",
    Permission.TRIGGER: "start builds",
    Permission.ARTIFACTS: "change artifacts",
    Permission.APPROVE: "approve builds",
    Permission.DEPLOY: "deploy",
    Permission.RESTART: "restart dynos",
    Permission.RUN: "run commands in dynos",
    Permission.CONFIG: "see and change config vars",
    Permission.DOMAINS: "change domains",
    Permission.CREATE: "create apps and namespaces",
    Permission.DELETE: "delete namespaces, or all domains",
    Permission.LOGIN: "log in to clusters",
    Permission.SUBSCRIBE: "change subscriptions",
}


class Requester(FrozenModel):
    """Whoever wants to do something. `vouched`: Slack itself says that it is them."""

    team: str
    id: str
    vouched: bool = True


class Decision(FrozenModel):
    """May they? `refused` says why not, and who may; `connect`: at which provider an account of their own is missing;
    `off`: a rule of an admin could turn it on. `second` holds those who must agree, one of each, within so many
    minutes. `confirm`: they may, but only if they say themselves that it is them.
    """

    refused: str | None = None
    connect: Provider | None = None
    off: bool = False
    second: tuple[Principals, ...] = ()
    minutes: int = 0
    confirm: bool = False


class Authorizer:
    """Asks the operator's rules and those of the workspace."""

    def __init__(
        self,
        rules: Sequence[AllowRule | ApprovalRule],
        storage: Repositories,
        clients: Clients,
        groups: UserGroups,
    ) -> None:
        self._rules = tuple(rules)
        self._storage = storage
        self._clients = clients
        self._members = clients.members
        self.groups = groups

    def operators(self, team: str) -> tuple[AllowRule | ApprovalRule, ...]:
        """The operator's rules for a workspace."""
        return tuple(rule for rule in self._rules if rule.counts_in(team))

    async def verdicts(self, questions: Sequence[AccessRequest], team: str) -> list[Verdict]:
        """Return what the operator's rules and the workspace's say to each question.

        `of` enforces it and `policy` shows it: there is no other way from rules to an answer.
        """
        of_workspace = [one.rule for one in await self._storage.of(team).policies.all()]
        operators = self.operators(team)
        here = [one.model_copy(update={"workspace": team}) for one in questions]
        return [judge(operators, of_workspace, one) for one in here]

    async def of(self, question: AccessRequest, person: Requester) -> Decision:
        """Whether this person may do this, here and now. What can't be found out counts as no."""
        if not person.team:
            return Decision(refused=NO_WORKSPACE)
        if person.id and (problem := await self._members.refusal(person.team, person.id)) is not None:
            return Decision(refused=problem)
        provider = question.provider
        if (problem := await self._not_linked(person, provider)) is not None:
            return Decision(refused=problem, connect=provider if person.id else None)
        [verdict] = await self.verdicts([question], person.team)
        if verdict.off:
            return Decision(refused=_off(question, verdict), off=not verdict.operators_alone)
        for requirements, whose in ((verdict.operators, OPERATORS), (verdict.admins, ADMINS)):
            for one in requirements:
                if not await self.includes(one.who, person):
                    return Decision(
                        refused=await self._refusal(question, one, whose, requirements, person.team)
                    )
        # Whom a workflow's step names has not said so themselves, whoever's token it would be done with.
        confirm = not person.vouched and bool(person.id)
        # Whose word is asked for has no longer than whoever agrees after them.
        minutes = min(verdict.minutes, DEFAULT_MINUTES) if confirm else verdict.minutes
        return Decision(second=verdict.agreeing, minutes=minutes, confirm=confirm)

    async def includes(self, who: Principals, person: Requester) -> bool:
        """Whether the person is meant. Where Slack does not say who is in a group, nobody is."""
        if who.everyone or person.id in who.people:
            return True
        try:
            return bool(await self.groups.those_of(person.team, person.id, who.groups))
        except SlackCallFailed as error:
            log.warning("groups.unknown", team=person.team, reason=error.reason)
            return False

    async def _not_linked(self, person: Requester, provider: Provider) -> str | None:
        if person.id:
            account = await self._clients.at(provider).account_of(person.team, person.id)
            if account is not None:
                return None if account.works else f"{_of(provider, BROKEN)}."
        try:
            if await self._clients.at(provider).serves(person.team, person.id):
                return None
        except MembershipUnknown as problem:
            return str(problem)
        return _of(provider, NOT_LINKED) if person.id else NOT_VOUCHED

    async def _refusal(
        self,
        question: AccessRequest,
        missing: Requirement,
        whose: str,
        requirements: Sequence[Requirement],
        team: str,
    ) -> str:
        what = _DOING[question.permission]
        of = f" of {question.app.title}" if question.app is not None else ""
        where = " here" if question.channel else ""
        who = "Nobody" if missing.who.nobody else f"Only {await self.groups.names(team, missing.who)}"
        return " ".join([f"{who} may {what}{of}{where}; {whose}.", *_explain(requirements, question)])


def _off(question: AccessRequest, verdict: Verdict) -> str:
    off = OFF.format(
        what=_DOING[question.permission],
        permission=question.permission,
        whoever=OPERATOR_ALONE if verdict.operators_alone else EITHER,
    )
    named = [NAMED_BY_OPERATOR] if verdict.operators_alone else []
    return " ".join([off, *named, *_explain(verdict.requirements, question)])


def _explain(requirements: Sequence[Requirement], question: AccessRequest) -> list[str]:
    """Why rules hold that may not be about it at all, and how that is helped."""
    unknown = frozenset[Part]().union(*(one.unknown for one in requirements))
    said = [NO_CHANNEL_KNOWN] if Part.CHANNEL in unknown else []
    if Part.APP in unknown:
        no_repository = NO_REPOSITORY.format(provider=question.provider.label)
        said.append(NO_APP if question.app is None else no_repository)
    return said


def _of(provider: Provider, sentence: str) -> str:
    return sentence.replace("{provider}", provider.label).replace("{command}", provider.command)
