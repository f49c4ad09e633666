"""Access rules: every member sees them, admins change them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pydantic import ValidationError

from domain.access_policy import (
    MAX_MINUTES,
    AccessRequest,
    AllowRule,
    ApprovalRule,
    Part,
    Permission,
    Principals,
    Verdict,
    is_wrong_id,
)
from domain.build import App
from domain.commands.errors import UserError
from domain.commands.shared_commands import ListAccessRules
from domain.provider import Provider
from domain.redaction.redactor import redact
from messages import access_rules
from messages.access_rules import FilledRule, ShownRule
from services.actions.audit import audited
from services.actions.permissions import PermissionDenied, authorize
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import find_app, find_channel_app
from services.request.forms import FieldError

TITLE = "Access rules"
MAX_RULES = 100
# The form field of each part of a rule that holds Slack ids, if the names differ.
_PICKERS: Mapping[str, str] = MappingProxyType({"channels": "channel"})
ADMINS_ONLY = "Only admins and owners of this workspace can change access rules."


class RuleProblem(FieldError):
    """The input of the form is no valid rule; `field` names the wrong field."""


async def show(command: ListAccessRules, context: RequestContext, provider: Provider) -> Reply:
    """Show who may do what at the provider in this channel, with one app or any. Raises NotAMember."""
    await context.check_full_member()
    app = await (
        find_app(context, command.app, provider)
        if command.app is not None
        else find_channel_app(context, provider)
    )
    authorizer = context.services.authorizer
    access_requests = [
        AccessRequest(permission=permission, provider=provider, app=app, channel=context.channel)
        for permission in context.services.registry.get(provider).permissions
    ]
    evaluated = await authorizer.evaluate(access_requests, context.team)
    verdicts = {
        access_request.permission: verdict
        for access_request, verdict in zip(access_requests, evaluated, strict=True)
    }
    workspace_rules = await context.storage.access_rules.all()
    message = access_rules.access_rule_list(
        app,
        provider,
        verdicts,
        await _names(verdicts.values(), context),
        [await _present_rule(rule, context, provider) for rule in authorizer.operator_rules(context.team)],
        [
            await _present_rule(stored.rule, context, provider, number=stored.number)
            for stored in workspace_rules
        ],
        is_admin=await context.is_admin(),
        you=await _describe_own_permission(app, context, provider, verdicts),
    )
    return Reply(message, Visibility.ONE_PERSON, title=TITLE)


async def add(filled: FilledRule, context: RequestContext, provider: Provider) -> Reply:
    """Add a rule. Raises PermissionDenied, RuleProblem."""
    _check_no_secret(
        filled
    )  # first, so that the error is shown at its field and the secret is put into no other view
    await check_admin(context)
    rule = build_rule(filled)
    if isinstance(rule, ApprovalRule) and context.services.storage.vault is None:
        raise RuleProblem(
            "kind", "Approvals need BUILDBELL_SECRET_KEY, which isn't set. Ask whoever runs Buildbell."
        )
    if len(await context.storage.access_rules.all()) >= MAX_RULES:
        raise RuleProblem("kind", f"There are already {MAX_RULES} rules. Delete some first.")
    shown = await _present_rule(rule, context, provider)
    async with audited(context, "policy_add", about={"rule": rule.model_dump_json()}):
        await context.storage.access_rules.add(rule, by=context.person, at=context.now())
    command = context.services.registry.first.provider.command
    return Reply(access_rules.rule_added(shown, command), Visibility.CHANNEL, title=TITLE)


async def remove(number: int, context: RequestContext) -> Reply:
    """Remove one of the workspace's rules. Raises PermissionDenied, UserError."""
    await check_admin(context)
    rules = [stored.rule for stored in await context.storage.access_rules.all() if stored.number == number]
    if not rules:
        raise UserError("This rule was already deleted.")
    shown = await _present_rule(rules[0], context, context.services.registry.first.provider)
    body = rules[0].model_dump_json()
    async with audited(context, "policy_remove", about={"rule": body}):
        await context.storage.access_rules.remove(number)
    return Reply(access_rules.rule_removed(shown), Visibility.CHANNEL, title=TITLE)


def build_rule(filled: FilledRule) -> AllowRule | ApprovalRule:
    """Return the rule from the input of the form. Raises RuleProblem."""
    if not filled.acts and not filled.everything:
        raise RuleProblem("acts", "Select actions, or All actions.")
    if not filled.who:
        raise RuleProblem("who", "Select who the rule is for.")
    if filled.who == "chosen" and not filled.people and not filled.groups:
        raise RuleProblem("people", "Select people or groups, or another option under Who.")
    chosen = filled.who == "chosen"
    fields: dict[str, object] = {
        "apps": (filled.app,) if filled.app else (),
        "channels": (filled.channel,) if filled.channel else (),
        "who": {
            "everyone": filled.who == "everyone",
            "people": filled.people if chosen else (),
            "groups": filled.groups if chosen else (),
        },
    }
    if filled.acts and not filled.everything:
        fields["permissions"] = frozenset(filled.acts)
    if filled.providers:
        fields["providers"] = filled.providers
    try:
        if filled.kind != "protect":
            return AllowRule.model_validate(fields)
        if filled.who == "nobody":
            raise RuleProblem(
                "who", "No one could approve. To block the actions, allow them to no one instead."
            )
        if (
            not filled.minutes.isdecimal()
            or len(filled.minutes) > 4
            or not 1 <= int(filled.minutes) <= MAX_MINUTES
        ):
            raise RuleProblem("minutes", f"Enter a number of minutes from 1 to {MAX_MINUTES}.")
        more = {
            "branches": filled.branches,
            "workflows": filled.workflows,
            "stages": filled.stages,
            "minutes": int(filled.minutes),
        }
        return ApprovalRule.model_validate(fields | more)
    except ValidationError as error:
        first = error.errors()[0]
        if is_wrong_id(first):
            part = str(first["loc"][-2])
            raise RuleProblem(
                _PICKERS.get(part, part), "This can't be used in a rule. Select another."
            ) from error
        message = first["msg"].removeprefix("Value error, ")
        raise RuleProblem("acts", f"{message[:1].upper()}{message[1:]}.") from error


def _check_no_secret(filled: FilledRule) -> None:
    """Check that the rule holds no secret: rules are stored in plain text and shown to everyone. Raises RuleProblem."""
    for field, names in (
        ("branches", filled.branches),
        ("workflows", filled.workflows),
        ("stages", filled.stages),
    ):
        if any(redact(name) != name for name in names):
            raise RuleProblem(field, "This looks like a token or password. Enter only names.")


async def check_admin(context: RequestContext) -> None:
    """Check that the user may change access rules. Raises PermissionDenied."""
    if not await context.is_admin():
        raise PermissionDenied(ADMINS_ONLY)


async def _present_rule(
    rule: AllowRule | ApprovalRule, context: RequestContext, provider: Provider, *, number: int | None = None
) -> ShownRule:
    """Return the rule with the names of its people and of its only app, if the user sees that at this provider."""
    app = None
    if len(rule.apps) == 1:
        apps = await context.visible_apps(provider).list_in_time()
        app = next((app.title for app in apps if app.slug == rule.apps[0]), None)
    who = await context.services.authorizer.groups.describe(context.team, rule.who)
    return ShownRule(rule=rule, who=who, app=app, number=number)


async def _names(verdicts: Iterable[Verdict], context: RequestContext) -> dict[Principals, str]:
    """Return the names of all people and groups in the verdicts."""
    groups, names = context.services.authorizer.groups, dict[Principals, str]()
    for verdict in verdicts:
        for who in (*(requirement.who for requirement in verdict.requirements), *verdict.approvers):
            if who not in names:
                names[who] = await groups.describe(context.team, who)
    return names


async def _describe_own_permission(
    app: App | None, context: RequestContext, provider: Provider, verdicts: Mapping[Permission, Verdict]
) -> str:
    """Return the user's own permission, as a sentence about the provider's main permission."""
    permission = context.services.registry.get(provider).main_permission
    what = access_rules.permission_name(permission)
    access_request = AccessRequest(permission=permission, provider=provider, app=app, channel=context.channel)
    decision = await authorize(access_request, context)
    if decision.refusal is not None:
        by_app = app is None and Part.APP in verdicts[permission].unknown
        return f"You can't {what}{' in every app' if by_app else ''} here. {decision.refusal}"
    if not decision.approvers:
        return f"You can {what} here."
    unconditional = [rule for rule in verdicts[permission].protections if not rule.is_conditional]
    return f"You can {what} here, with approval" + ("." if unconditional else " where a rule requires it.")
