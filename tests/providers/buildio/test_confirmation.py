"""Destructive commands ask for confirmation; reversible ones do not."""

from __future__ import annotations

from bot.providers_setup import ACTIONS
from providers.bitrise.artifacts.actions import SetPublicInstallPageAction
from providers.bitrise.build_requests.actions import DecideBuildRequestAction
from providers.bitrise.builds.actions import AbortBuildAction, RebuildBuildAction, TriggerBuildAction
from providers.bitrise.pipelines.actions import AbortPipelineAction, RebuildPipelineAction
from providers.buildio.apps.actions import CreateAppAction
from providers.buildio.config_vars.actions import (
    RevealConfigAction,
    RevealEnvironmentAction,
    SetConfigAction,
    SetEnvironmentAction,
    UnsetConfigAction,
    UnsetEnvironmentAction,
)
from providers.buildio.deploys.actions import DeployAction
from providers.buildio.domains.actions import (
    AddDomainAction,
    RemoveAllDomainsAction,
    RemoveDomainAction,
    UpdateCertificateAction,
)
from providers.buildio.login import ClusterLoginAction
from providers.buildio.namespaces.actions import CreateNamespaceAction, DeleteNamespaceAction
from providers.buildio.processes.actions import RestartAction, RunCommandAction
from providers.buildio.provider import BUILDIO
from sandbox.slack.models import Post
from tests.providers.buildio.conftest import HarnessWithRules
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
# The typed command, and its first reply; in FORMS the text of the form that opens.
CONFIRMED = {
    UnsetConfigAction: (
        "/buildio config unset shop LOG_LEVEL",
        "Build.io restarts the processes of shop",
    ),
    UnsetEnvironmentAction: (
        "/buildio envs unset {environment} LOG_LEVEL",
        "can't be undone",
    ),
    RemoveDomainAction: ("/buildio domains remove shop {domain}", "Remove"),
    RemoveAllDomainsAction: ("/buildio domains clear shop", "shop"),
    DeleteNamespaceAction: ("/buildio namespaces delete {namespace}", "Delete"),
    RestartAction: ("/buildio restart shop", "Work in progress stops"),
    RunCommandAction: ("/buildio run shop dyno:web.1 -- ls", "This runs in"),
    SetConfigAction: (
        "/buildio config set shop RAILS_ENV",
        "Existing keys get the new value",
    ),
    SetEnvironmentAction: ("/buildio envs set {environment} NEW", "Existing keys"),
    UpdateCertificateAction: ("/buildio domains shop", "Replace certificate…"),
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


def test_every_action_is_harmless_or_asks_for_confirmation() -> None:
    assert set(HARMLESS) | set(CONFIRMED) == set(ACTIONS)
    assert not set(HARMLESS) & set(CONFIRMED)


async def test_a_destructive_command_does_nothing_before_confirmation(
    harness_with_rules: HarnessWithRules,
) -> None:
    async with harness_with_rules(RUN) as harness:
        environment = harness.buildio.state.pipelines[0].environments[0]
        domain = harness.buildio.state.add_domain(harness.buildio.shop, "www.shop.example", harness.clock())
        names = {
            "environment": environment.id,
            "domain": domain.hostname,
            "namespace": harness.buildio.state.namespaces[0].name,
        }
        environment.config.setdefault("LOG_LEVEL", "info")
        before = [vars(harness.buildio.shop).copy(), dict(environment.config)]
        for action_class, (command, expected) in CONFIRMED.items():
            text = command.format(**names)
            if action_class in FORMS:
                await harness.users.command("anna", "builds", text)
                await harness.slack.wait_for_modal("anna", expected)
                await harness.users.close_modal("anna")
            else:
                await harness.ask(text, expected)
        assert [request for request in harness.buildio.requests if request.method != "GET"] == []
        assert [vars(harness.buildio.shop), environment.config] == before


async def subscription_rows(harness: BotHarness) -> list[tuple[object, ...]]:
    return await harness.rows("SELECT channel_id, stopped_reason FROM subscriptions ORDER BY id")


async def test_ending_several_subscriptions_is_confirmed_and_ends_those_shown(harness: BotHarness) -> None:
    await harness.ask("/buildio subscribe shop", "subscribed")
    await harness.ask("/buildio subscribe shop status:failed", "subscribed")
    await harness.ask("/buildio subscribe shop-staging", "subscribed")
    post = await harness.ask("/buildio unsubscribe shop", "Remove these 2 subscriptions?")
    assert len(await subscription_rows(harness)) == 3
    await harness.press(post, "Unsubscribe", "anna removed 2 subscriptions to shop")
    assert len(await subscription_rows(harness)) == 1


async def test_disconnecting_names_what_stops_and_notifies_each_channel_once_with_a_resume_button(
    harness: BotHarness,
) -> None:
    for channel in ("builds", "random"):
        await harness.ask("/buildio subscribe shop", "subscribed", channel=channel)
        await harness.ask("/buildio subscribe shop-staging", "subscribed", channel=channel)
    await harness.ask("/buildio subscribe ledger", "subscribed", channel="random")
    post = await harness.ask("/buildio disconnect", "Your token is deleted immediately")
    text = harness.message_text(post)
    assert "#builds: 2 subscriptions" in text
    assert "#random: 3 subscriptions" in text
    assert len(await harness.rows("SELECT 1 FROM accounts WHERE user_id = 'U0ANNA'")) == 1
    await harness.press(post, "Disconnect", "and deleted your token")
    notices: list[Post] = []
    for channel, number in (("builds", 2), ("random", 3)):
        notices.append(
            await harness.wait_for_message(f"{number} subscriptions stopped", channel=channel, person=None)
        )
        assert len(harness.messages_with("subscriptions stopped", channel)) == 1
    # Ben can't see ledger: the rest is resumed, and the button stays for those who can see it.
    notice = notices[1]
    await harness.users.click("ben", notice, "Resume as me")
    await harness.wait_for_message("ben resumed 2 subscriptions", channel="random", person=None)
    await harness.wait_for_message("Build.io can't find this", channel="random", person="ben")
    assert "[Resume as me]" in harness.message_text(notice)
    await harness.connect("anna", provider=BUILDIO)
    blocks = notice.blocks
    await harness.press(notice, "Resume as me", "anna resumed a subscription")
    makers = "SELECT created_by FROM subscriptions WHERE stopped_reason IS NULL ORDER BY id"
    assert await harness.rows(makers) == [("U0BEN",), ("U0BEN",), ("U0ANNA",)]
    await wait_until_resumed(harness, notice)
    # Whoever still sees the button takes over nothing, and announces nothing.
    notice.blocks = blocks
    await harness.press(notice, "Resume as me", "This subscription was already resumed", person="ben")
    await wait_until_resumed(harness, notice)
    assert len(harness.messages_with(" resumed ", "random")) == 2
    assert await harness.rows(makers) == [("U0BEN",), ("U0BEN",), ("U0ANNA",)]


async def wait_until_resumed(harness: BotHarness, notice: Post) -> None:
    """Wait until the notice of stopped subscriptions has lost its button, and nothing else."""
    await harness.wait_until(lambda: "[Resume as me]" not in harness.message_text(notice))
    text = harness.message_text(notice)
    assert "3 subscriptions stopped" in text
    assert "ledger" in text
    assert "[" not in text
