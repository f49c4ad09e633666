"""What takes something away asks before it does; what can be had again does not."""

from __future__ import annotations

from bot.providers_setup import ACTIONS
from providers.bitrise.actions import (
    AbortBuildAction,
    AbortPipelineAction,
    DecideBuildRequestAction,
    RebuildBuildAction,
    RebuildPipelineAction,
    SetPublicInstallPageAction,
    TriggerBuildAction,
)
from providers.buildio.actions import (
    AddDomainAction,
    ClusterLoginAction,
    CreateAppAction,
    CreateNamespaceAction,
    DeleteNamespaceAction,
    DeployAction,
    RemoveAllDomainsAction,
    RemoveDomainAction,
    RestartAction,
    RevealConfigAction,
    RevealEnvironmentAction,
    RunCommandAction,
    SetConfigAction,
    SetEnvironmentAction,
    UnsetConfigAction,
    UnsetEnvironmentAction,
    UpdateCertificateAction,
)
from sandbox.slack.models import Post
from tests.providers.buildio.conftest import Governed
from tests.support.bot_harness import BotHarness

# Why an action is executed at once.
HARMLESS = {
    TriggerBuildAction: "a build that is started can be aborted",
    RebuildBuildAction: "the same; its button asks",
    RebuildPipelineAction: "the same; its button asks",
    AbortBuildAction: "names the one build, which can be started again; its button opens a form",
    AbortPipelineAction: "the same",
    DecideBuildRequestAction: "its buttons ask",
    SetPublicInstallPageAction: "its buttons ask",
    DeployAction: "the version before it can be deployed again",
    CreateAppAction: "adds something",
    CreateNamespaceAction: "adds something",
    AddDomainAction: "adds something",
    RevealConfigAction: "changes nothing",
    RevealEnvironmentAction: "changes nothing",
    ClusterLoginAction: "changes nothing",
}
# What somebody types, and what it says first; None: a form opens, which says it.
ASKS = {
    UnsetConfigAction: (
        "/buildio config unset shop LOG_LEVEL",
        "Build.io restarts the processes of shop",
    ),
    UnsetEnvironmentAction: (
        "/buildio envs unset {environment} LOG_LEVEL",
        "can't be undone here",
    ),
    RemoveDomainAction: ("/buildio domains remove shop {domain}", "Remove"),
    RemoveAllDomainsAction: ("/buildio domains clear shop", "shop"),
    DeleteNamespaceAction: ("/buildio namespaces delete {namespace}", "Delete"),
    RestartAction: ("/buildio restart shop", "What they are doing is cut off"),
    RunCommandAction: ("/buildio run shop dyno:web.1 -- ls", "This runs in"),
    SetConfigAction: (
        "/buildio config set shop RAILS_ENV",
        "Keys that are there already get the new value",
    ),
    SetEnvironmentAction: ("/buildio envs set {environment} NEW", "Keys that are there already"),
    UpdateCertificateAction: ("/buildio domains shop", "Certificate…"),
}
RUN = """
[[rule]]
allow = ["run"]
who = ["U0ANNA"]
"""
FORMS = {
    RemoveAllDomainsAction,
    DeleteNamespaceAction,
    RestartAction,
    RunCommandAction,
    SetConfigAction,
    SetEnvironmentAction,
}


def test_every_action_is_harmless_or_asks_first() -> None:
    assert set(HARMLESS) | set(ASKS) == {spec.action_class for spec in ACTIONS}
    assert not set(HARMLESS) & set(ASKS)


async def test_what_takes_something_away_does_nothing_before_it_is_agreed_to(
    harness_with_rules: Governed,
) -> None:
    async with harness_with_rules(RUN) as town:
        environment = town.buildio.state.pipelines[0].environments[0]
        domain = town.buildio.state.add_domain(town.buildio.shop, "www.shop.example", town.clock())
        names = {
            "environment": environment.id,
            "domain": domain.hostname,
            "namespace": town.buildio.state.namespaces[0].name,
        }
        environment.config.setdefault("LOG_LEVEL", "info")
        before = [vars(town.buildio.shop).copy(), dict(environment.config)]
        for action_class, (words, said) in ASKS.items():
            text = words.format(**names)
            if action_class in FORMS:
                await town.users.command("anna", "builds", text)
                await town.slack.wait_for_modal("anna", said)
                await town.users.close_modal("anna")
            else:
                await town.ask(text, said)
        assert [one for one in town.buildio.requests if one.method != "GET"] == []
        assert [vars(town.buildio.shop), environment.config] == before


async def channels_of(harness: BotHarness) -> list[tuple[object, ...]]:
    return await harness.rows("SELECT channel_id, stopped_reason FROM subscriptions ORDER BY id")


async def test_ending_several_subscriptions_asks_and_ends_those_that_were_shown(harness: BotHarness) -> None:
    await harness.ask("/buildio subscribe shop", "subscribed")
    await harness.ask("/buildio subscribe shop status:failed", "subscribed")
    await harness.ask("/buildio subscribe shop-staging", "subscribed")
    question = await harness.ask("/buildio unsubscribe shop", "End 2 subscriptions")
    assert len(await channels_of(harness)) == 3
    await harness.press(question, "Unsubscribe", "anna ended 2 subscriptions to shop")
    assert len(await channels_of(harness)) == 1


async def test_disconnecting_says_what_stops_and_each_channel_hears_it_once_with_a_way_back(
    harness: BotHarness,
) -> None:
    for channel in ("builds", "random"):
        await harness.ask("/buildio subscribe shop", "subscribed", channel=channel)
        await harness.ask("/buildio subscribe shop-staging", "subscribed", channel=channel)
    question = await harness.ask("/buildio disconnect", "deletes your token")
    said = harness.message_text(question)
    assert "#builds: 2 subscriptions" in said
    assert "#random: 2 subscriptions" in said
    assert len(await harness.rows("SELECT 1 FROM accounts WHERE user_id = 'U0ANNA'")) == 1
    await harness.press(question, "Disconnect", "I have wiped your token")
    told: list[Post] = []
    for channel in ("builds", "random"):
        told.append(
            await harness.wait_for_message(
                "2 subscriptions of this channel have stopped", channel=channel, person=None
            )
        )
        assert len(harness.messages_with("have stopped", channel)) == 1
    await harness.press(told[1], "Resume as me", "ben resumed 2 subscriptions", person="ben")
    assert len(harness.messages_with("ben resumed", "random")) == 1
    makers = await harness.rows("SELECT created_by FROM subscriptions WHERE stopped_reason IS NULL")
    assert makers == [("U0BEN",), ("U0BEN",)]
