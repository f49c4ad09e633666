"""Authorization, the one place that decides whether a user may do something, by command, button, form or workflow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from domain.access_policy import (
    DEFAULT_MINUTES,
    AccessRequest,
    AllowRule,
    ApprovalRule,
    Part,
    Principals,
    Requirement,
    Verdict,
    judge,
)
from domain.build import FrozenModel
from domain.provider import Provider
from messages.access_rules import permission_name
from services.accounts.provider_clients import Clients
from services.accounts.user_accounts import UserAccounts
from services.accounts.user_tokens import BROKEN
from services.authorization.user_groups import UserGroups
from services.slack.errors import SlackCallFailed
from services.slack.workspace_members import MembershipUnknown
from storage.repositories import Repositories

log = structlog.get_logger()

OPERATORS = "a rule set by whoever runs Buildbell"
ADMINS = "a rule set by an admin of this workspace"
NOT_LINKED = "Connect your {provider} account to do this: type `{command} connect`, then try again."
OFF = "No one can {what} here. It's off until {whoever} allows it with an access rule that names `{permission}`."
EITHER = "whoever runs Buildbell or an admin of this workspace"
OPERATOR_ALONE = "whoever runs Buildbell"
NAMED_BY_OPERATOR = "Their rules name it for other cases, so a rule of this workspace can't turn it on."
NO_CHANNEL_KNOWN = "Some rules depend on the channel, which is unknown here. Try it in a channel."
NO_APP = "Some rules depend on the app, and this has no app, so all of them apply."
NO_REPOSITORY = "Some rules name repositories, and {provider} doesn't give this app's, so all of them apply."
NO_WORKSPACE = "Slack doesn't say which workspace this comes from. Try it in a channel."
NOT_VOUCHED = (
    "Fill in *On behalf of* in the workflow's step: that person approves it in a direct message each time the step"
    " runs. Without a person, this works only if SERVICE_TOKEN_ACTS is set."
)


@dataclass(frozen=True)
class Requester:
    """A Slack user who wants to do something, with their accounts. `vouched`: Slack itself identified the user."""

    accounts: UserAccounts
    vouched: bool = True

    @property
    def team(self) -> str:
        """The workspace."""
        return self.accounts.team

    @property
    def id(self) -> str:
        """The id of the user; `""` for a workflow."""
        return self.accounts.person


class Decision(FrozenModel):
    """The decision about an access request.

    `refusal` says why the requester may not, and who may; None if they may. `missing_account` is the provider at which
    they lack an account of their own. `is_off`: an admin's rule could turn it on. `approvers` holds groups of people,
    one of each of which must approve within `minutes`. `needs_confirmation`: they may, but must confirm it themselves
    first.
    """

    refusal: str | None = None
    missing_account: Provider | None = None
    is_off: bool = False
    approvers: tuple[Principals, ...] = ()
    minutes: int = 0
    needs_confirmation: bool = False


class Authorizer:
    """Decides access requests by the operator's rules and those of the workspace."""

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

    def operator_rules(self, team: str) -> tuple[AllowRule | ApprovalRule, ...]:
        """Return the operator's rules for a workspace."""
        return tuple(rule for rule in self._rules if rule.counts_in(team))

    async def evaluate(self, access_requests: Sequence[AccessRequest], team: str) -> list[Verdict]:
        """Return the verdict of the operator's and the workspace's rules on each access request.

        `authorize` enforces it and the command `policy` shows it; nothing else turns rules into a verdict.
        """
        workspace_rules = [stored.rule for stored in await self._storage.of(team).access_rules.all()]
        operators = self.operator_rules(team)
        return [
            judge(operators, workspace_rules, access_request.model_copy(update={"workspace": team}))
            for access_request in access_requests
        ]

    async def authorize(self, access_request: AccessRequest, requester: Requester) -> Decision:
        """Decide whether the requester may do this now. Anything that can't be determined counts as no."""
        if not requester.team:
            return Decision(refusal=NO_WORKSPACE)
        if (
            requester.id
            and (refusal := await self._members.refusal(requester.team, requester.id)) is not None
        ):
            return Decision(refusal=refusal)
        provider = access_request.provider
        if (refusal := await self._account_refusal(requester, provider)) is not None:
            return Decision(refusal=refusal, missing_account=provider if requester.id else None)
        [verdict] = await self.evaluate([access_request], requester.team)
        if verdict.off:
            return Decision(refusal=_explain_off(access_request, verdict), is_off=not verdict.operators_alone)
        for requirements, source in ((verdict.operators, OPERATORS), (verdict.admins, ADMINS)):
            for requirement in requirements:
                if not await self.includes(requirement.who, requester):
                    return Decision(
                        refusal=await self._explain_refusal(
                            access_request, requirement, source, requirements, requester.team
                        )
                    )
        # A user named by a workflow step has not made the request themselves, whichever token would be used.
        confirm = not requester.vouched and bool(requester.id)
        # The confirmation must not have more time than the approval that follows it.
        minutes = min(verdict.minutes, DEFAULT_MINUTES) if confirm else verdict.minutes
        return Decision(approvers=verdict.approvers, minutes=minutes, needs_confirmation=confirm)

    async def includes(self, who: Principals, requester: Requester) -> bool:
        """Return whether the requester is one of these people. If Slack does not list a group, nobody is in it."""
        if who.everyone or requester.id in who.people:
            return True
        try:
            return bool(await self.groups.groups_of_user(requester.team, requester.id, who.groups))
        except SlackCallFailed as error:
            log.warning("groups.unknown", team=requester.team, reason=error.reason)
            return False

    async def _account_refusal(self, requester: Requester, provider: Provider) -> str | None:
        if requester.id:
            account = await self._clients.at(provider).account_of(requester.accounts)
            if account is not None:
                return None if account.works else f"{_fill_in(provider, BROKEN)}."
        try:
            if await self._clients.at(provider).acts_for(requester.team, requester.id):
                return None
        except MembershipUnknown as error:
            return str(error)
        return _fill_in(provider, NOT_LINKED) if requester.id else NOT_VOUCHED

    async def _explain_refusal(
        self,
        access_request: AccessRequest,
        missing: Requirement,
        source: str,
        requirements: Sequence[Requirement],
        team: str,
    ) -> str:
        what = permission_name(access_request.permission)
        of = f" in {access_request.app.title}" if access_request.app is not None else ""
        where = " here" if access_request.channel else ""
        who = "No one" if missing.who.nobody else f"Only {await self.groups.describe(team, missing.who)}"
        return " ".join([f"{who} can {what}{of}{where} ({source}).", *_explain(requirements, access_request)])


def _explain_off(access_request: AccessRequest, verdict: Verdict) -> str:
    text = OFF.format(
        what=permission_name(access_request.permission),
        permission=access_request.permission,
        whoever=OPERATOR_ALONE if verdict.operators_alone else EITHER,
    )
    hints = [NAMED_BY_OPERATOR] if verdict.operators_alone else []
    return " ".join([text, *hints, *_explain(verdict.requirements, access_request)])


def _explain(requirements: Sequence[Requirement], access_request: AccessRequest) -> list[str]:
    """Return why rules apply although the channel or app is unknown, and what the user can do about it."""
    unknown = frozenset[Part]().union(*(requirement.unknown for requirement in requirements))
    hints = [NO_CHANNEL_KNOWN] if Part.CHANNEL in unknown else []
    if Part.APP in unknown:
        no_repository = NO_REPOSITORY.format(provider=access_request.provider.label)
        hints.append(NO_APP if access_request.app is None else no_repository)
    return hints


def _fill_in(provider: Provider, sentence: str) -> str:
    return sentence.replace("{provider}", provider.label).replace("{command}", provider.command)
