"""Build.io's access rules: explained, and changed in the admin's dialog."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

from domain.access_policy import AccessRequest, AllowRule, ApprovalRule, Permission, judge
from domain.commands.shared_commands import ListAccessRules
from messages.access_rules import EVERYONE_LINKED
from providers.buildio.processes.actions import RestartAction, RunCommandAction
from providers.buildio.provider import BUILDIO
from sandbox.slack.models import Post
from services.actions.permissions import build_requester
from services.authorization.authorizer import Authorizer, Decision
from services.features.access_rules import commands
from services.request.context import RequestContext
from services.request.responder import ChannelResponder
from tests.services.actions.action_harness import ActionHarness, action_harness, as_bot_app
from tests.support.access_rules import ACCESS_REQUESTS, RULES, ShownLine, allowed_users, read_line

WORKSPACE = "T0SANDBOX"
PEOPLE = frozenset({"U0ANNA", "U0BEN"})
# The texts for Build.io's actions in the lines of `policy`.
DOING = {
    Permission.DEPLOY: "deploy",
    Permission.DELETE: "delete namespaces and all domains",
    Permission.SUBSCRIBE: "change subscriptions",
    Permission.RUN: "run commands in dynos",
    Permission.LOGIN: "log in to clusters",
}
NAMES = {
    "no one": frozenset[str](),
    EVERYONE_LINKED: PEOPLE,
    "Anna Berg": frozenset({"U0ANNA"}),
    "Ben Okafor": frozenset({"U0BEN"}),
    "Carla Ruiz": frozenset({"U0CARLA"}),
    "the group @release-team": frozenset({"U0BEN"}),
}


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ActionHarness]:
    async with action_harness(tmp_path) as opened:
        await opened.connect("anna", "ben")
        yield opened


async def show_rules(harness: ActionHarness, app: str | None = None) -> Post:
    answer = await commands.show(ListAccessRules(app=app), harness.context(), BUILDIO)
    await ChannelResponder(harness.context())(answer)
    return await harness.wait_for_message("Who can do what")


async def add_rule(harness: ActionHarness, **filled: object) -> None:
    await harness.harness.users.click("anna", await show_rules(harness), "Add a rule…")
    await harness.harness.slack.wait_for_modal("anna", "Add a rule")
    if "app" in filled:
        [option] = await harness.harness.users.options("anna", "pick_app", str(filled["app"]), block_id="app")
        filled["app"] = option
    await harness.harness.fill_in_rule(**filled)
    await harness.wait_for_message("New access rule", None)


async def test_the_rules_are_those_of_this_provider_and_name_what_is_off(harness: ActionHarness) -> None:
    text = harness.harness.message_text(await show_rules(harness, "shop"))
    for line in (
        "Who can do what in shop at Build.io in this channel",
        "deploy: anyone with a connected account",
        "run commands in dynos: no one",
        "log in to clusters: no one",
        "You can deploy here.",
        "No rules yet",
    ):
        assert line in text
    assert "abort builds" not in text


async def test_an_admin_turns_on_an_action_for_one_app_and_off_again(harness: ActionHarness) -> None:
    run = RunCommandAction(app=as_bot_app(harness.harness.buildio.staging), dyno="web.1", command=("ls",))
    await add_rule(
        harness,
        kind="Allow only these people",
        buildio_acts=["Run commands in dynos"],
        app="shop-staging",
        who="The people and groups below",
        people=["U0BEN"],
    )
    await harness.request(run, "anna")
    await harness.wait_for_message("Only Ben Okafor can run commands in dynos in shop-staging here")
    await harness.request(run, "ben")
    await harness.wait_for_message("ran a command in `web.1`", None)
    await harness.request(run.model_copy(update={"app": as_bot_app(harness.harness.buildio.shop)}), "ben")
    await harness.wait_for_message("an access rule that names `run`", "ben")
    await harness.harness.press(await show_rules(harness), "Delete", "Access rule deleted")
    await harness.request(run, "ben")
    await harness.wait_for_message("an access rule that names `run`", "ben")


async def test_an_admin_protects_a_stage_at_one_provider(harness: ActionHarness) -> None:
    await add_rule(
        harness,
        kind="Require approval",
        providers=["Build.io"],
        stages="production",
        who="Anyone with a connected account",
    )
    text = harness.harness.message_text(await show_rules(harness))
    assert "is required to do anything at Build.io in stage `production`" in text
    await harness.request(RestartAction(app=as_bot_app(harness.harness.buildio.staging)), "ben")
    await harness.wait_for_message("restarted all processes of shop-staging", None)
    await harness.request(RestartAction(app=as_bot_app(harness.harness.buildio.shop)), "ben")
    await harness.wait_for_message("ben requests approval to restart all processes of shop", None)


async def test_an_approval_rule_does_not_extend_the_time_to_confirm_a_workflow_step(
    harness: ActionHarness,
) -> None:
    access_request = AccessRequest(permission=Permission.DEPLOY, provider=BUILDIO)
    requester = build_requester(replace(harness.context("ben"), is_verified=False))
    for rules, minutes in (((), 60), ((ApprovalRule(minutes=120),), 60), ((ApprovalRule(minutes=5),), 5)):
        services = harness.services
        decision = await Authorizer(
            rules, services.storage, services.clients, services.authorizer.groups
        ).authorize(access_request, requester)
        assert (decision.refusal, decision.needs_confirmation, decision.minutes) == (None, True, minutes)


async def test_without_a_workspace_nothing_is_done(harness: ActionHarness) -> None:
    access_request = AccessRequest(permission=Permission.DEPLOY, provider=BUILDIO)
    requester = build_requester(replace(harness.context("ben"), team=""))
    decision = await harness.services.authorizer.authorize(access_request, requester)
    assert "which workspace" in str(decision.refusal)


async def test_an_admin_learns_why_an_action_that_the_operator_allows_elsewhere_stays_off(
    tmp_path: Path,
) -> None:
    rules = '[[rule]]\nallow = ["run"]\napps = ["shop-staging"]\nwho = ["U0ANNA"]\n'
    async with action_harness(tmp_path, rules=rules) as harness:
        await harness.connect("anna", "ben")
        await add_rule(harness, buildio_acts=["Run commands in dynos"], who="Anyone with a connected account")
        run = RunCommandAction(app=as_bot_app(harness.harness.buildio.shop), dyno="web.1", command=("ls",))
        await harness.request(run, "ben")
        await harness.wait_for_message("a rule of this workspace can't turn it on", "ben")
        assert "run commands in dynos: no one" in harness.harness.message_text(
            await show_rules(harness, "shop")
        )
        await harness.request(
            run.model_copy(update={"app": as_bot_app(harness.harness.buildio.staging)}), "anna"
        )
        await harness.wait_for_message("ran a command in `web.1`", None)


async def read_shown_lines(context: RequestContext, app: str | None) -> dict[str, ShownLine]:
    """Return what `policy` shows for each action at Build.io."""
    answer = await commands.show(ListAccessRules(app=app), context, BUILDIO)
    text = "\n".join(block["text"]["text"] for block in answer.message.blocks if block["type"] == "section")
    return {
        action: read_line(text_of_rule)
        for action, text_of_rule in re.findall(r"^• (.*?): (.*)$", text, re.MULTILINE)
    }


def people_named(names: str) -> frozenset[str]:
    """Return the people with these displayed names."""
    return frozenset().union(*(NAMES[name] for name in re.split(", | and ", names)))


async def check_shown_rules(
    harness: ActionHarness,
    operators: Sequence[AllowRule | ApprovalRule],
    admins: Sequence[AllowRule | ApprovalRule],
    access_request: AccessRequest,
) -> None:
    """Set these rules, read what is shown, and check it against the decision for each person."""
    services = harness.services
    # Replace only the operator's rules, which are otherwise read from a file at the start.
    authorizer = Authorizer(operators, services.storage, services.clients, services.authorizer.groups)
    stored_rules = services.storage.of(WORKSPACE).access_rules
    for rule_row in await stored_rules.all():
        await stored_rules.remove(rule_row.number)
    for rule in admins:
        await stored_rules.add(rule, by="U0ANNA", at=services.clock())
    context = replace(harness.context("anna"), services=replace(services, authorizer=authorizer))
    shown = await read_shown_lines(
        context, access_request.app.title if access_request.app is not None else None
    )
    line = shown[DOING[access_request.permission]]
    decisions = {
        person: await authorizer.authorize(access_request, build_requester(replace(context, person=person)))
        for person in PEOPLE
    }
    allowed_people = {person: decision for person, decision in decisions.items() if decision.refusal is None}
    assert PEOPLE.intersection(*(people_named(name) for name in line.sets)) == set(allowed_people)
    assert allowed_users(
        judge(operators, admins, access_request.model_copy(update={"workspace": WORKSPACE}))
    ) & PEOPLE == set(allowed_people)
    applicable = [clause for clause in line.clauses if clause.applies_to(access_request)]
    for decision in allowed_people.values():
        assert bool(decision.approvers) is bool(applicable)
        if applicable:
            approvers = PEOPLE.intersection(*(people_named(clause.names) for clause in applicable))
            assert approvers == await find_approvers(authorizer, decision, context)
            assert decision.minutes == min(clause.minutes for clause in applicable)


async def find_approvers(authorizer: Authorizer, decision: Decision, context: RequestContext) -> set[str]:
    """Return the possible approvers."""
    approvers = set()
    for person in PEOPLE:
        requester = build_requester(replace(context, person=person))
        if all([await authorizer.includes(who, requester) for who in decision.approvers]):
            approvers.add(person)
    return approvers


def test_what_policy_shows_is_what_is_enforced(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        harness_context = action_harness(tmp_path)
        harness = runner.run(harness_context.__aenter__())
        try:
            runner.run(harness.connect("anna", "ben"))
            shop = as_bot_app(harness.harness.buildio.shop)

            # Do not shrink failing examples: with real components that takes minutes.
            @settings(
                max_examples=120, phases=[Phase.generate], suppress_health_check=[HealthCheck.filter_too_much]
            )
            @given(operators=RULES, admins=RULES, access_request=ACCESS_REQUESTS)
            def each(
                operators: Sequence[AllowRule | ApprovalRule],
                admins: Sequence[AllowRule | ApprovalRule],
                access_request: AccessRequest,
            ) -> None:
                assume(access_request.permission in DOING)
                app = shop if access_request.app is not None else None
                context_fields = {
                    "provider": BUILDIO,
                    "app": app,
                    "channel": harness.context().channel,
                }
                runner.run(
                    check_shown_rules(
                        harness, operators, admins, access_request.model_copy(update=context_fields)
                    )
                )

            each()
        finally:
            runner.run(harness_context.__aexit__(None, None, None))
