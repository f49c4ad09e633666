"""Approved actions are exactly those shown, and exactly those sent (SECURITY.md, B, F and G)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.build import App, Build, BuildState
from providers.bitrise.provider import BITRISE
from providers.buildio.deploy_links.messages import SourceBuild
from providers.buildio.deploys.actions import DeployAction
from providers.buildio.provider import BUILDIO
from sandbox.buildio.state import Pipeline
from sandbox.slack.models import Post
from tests.providers.buildio.config_var_harness import changes, config_var_harness
from tests.services.features.test_access_rules import add_rule, governed
from tests.support.bot_harness import BotHarness

DEPLOY = '[[rule]]\nprotect = ["trigger"]\nworkflows = ["deploy"]\nwho = ["U0ANNA"]\n'
MAIN = '[[rule]]\nprotect = ["trigger"]\nbranches = ["main", "release/*"]\nwho = ["U0ANNA"]\n'
EVERYTHING = '[[rule]]\nprotect = "everything"\n'
BY_ANNA = '[[rule]]\nprotect = "everything"\nwho = ["U0ANNA"]\n'


async def request_approval(harness: BotHarness, command: str, *, person: str = "ben") -> Post:
    """Send a command that needs a second person, and return the message that asks for approval."""
    before = harness.last("builds", None)
    await harness.users.command(person, "builds", command)
    return await harness.wait_for_message("requests approval to", person=None, after=before)


def start_requests(harness: BotHarness) -> list[Any]:
    return [request for request in harness.bitrise.requests if request.method == "POST"]


@pytest.fixture
async def workflow_harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with governed(tmp_path, DEPLOY) as harness:
        yield harness


async def test_b18_a_pipeline_or_its_rebuild_does_not_bypass_the_protection_of_a_workflow(
    workflow_harness: BotHarness,
) -> None:
    harness = workflow_harness
    await request_approval(harness, "/bitrise trigger android branch:develop pipeline:release-train")
    both = "/bitrise trigger android branch:develop workflow:primary pipeline:release-train"
    await harness.ask(both, "a workflow or a pipeline, not both", person="ben")
    params = {"branch": "develop", "pipeline_id": "release-train"}
    run = harness.bitrise.start_pipeline(harness.bitrise.android, params=params)
    run.builds["primary"].finish("error", harness.clock())
    await request_approval(harness, "/bitrise rebuild android #1")
    assert start_requests(harness) == []
    # An unprotected workflow starts at once.
    command = "/bitrise trigger android branch:develop workflow:primary"
    await harness.ask(command, "ben started Sample Android", person="ben")


async def test_b19_the_approver_sees_everything_that_is_sent(tmp_path: Path) -> None:
    async with governed(tmp_path, BY_ANNA) as harness:
        command = "branch:develop workflow:deploy message:why env:TARGET=production env:API_TOKEN=Canary7Gx2Canary7Gx2"
        approval = await request_approval(harness, f"/bitrise trigger android {command}")
        text = harness.message_text(approval)
        for expected in (
            "branch: develop",
            "workflow: deploy",
            "message: why",
            "variable TARGET: production",
        ):
            assert expected in text
        assert "variable API_TOKEN: redacted, since it looks like a secret (20 characters)" in text
        await harness.users.click("anna", approval, "Approve")
        await harness.wait_for_message("ben started Sample Android #1", person=None)
        harness.bitrise.start_running(harness.bitrise.state.builds[0])
        card = await harness.ask("/bitrise build android #1", "is running", person="ben")
        await harness.users.click("ben", card, "Abort…")
        modal = await harness.slack.wait_for_modal("ben", "at once and posts your name")
        [options] = [block["element"] for block in modal.view["blocks"] if block.get("block_id") == "options"]
        before = harness.last("builds", None)
        options_shown = [option["text"]["text"] for option in options["options"]]
        await harness.users.submit("ben", {"reason": "just restarting it", "options": options_shown})
        approval = await harness.wait_for_message("requests approval to", person=None, after=before)
        text = harness.message_text(approval)
        for expected in (
            "just restarting it",
            "counts as success: yes",
            "no notifications: yes",
            "no Git status: yes",
        ):
            assert expected in text
        await harness.users.click("anna", approval, "Approve")
        await harness.wait_for_message("ben aborted", person=None)
        bodies = await harness.rows("SELECT body FROM audit WHERE body LIKE '%abort%'")
        assert len(bodies) == 4
        assert all(json.loads(str(body))["about"]["with_success"] == "true" for (body,) in bodies)


async def test_b20_a_protected_branch_is_protected_in_every_spelling(tmp_path: Path) -> None:
    async with governed(tmp_path, MAIN) as harness:
        for command in (
            "branch:refs/heads/main",
            "branch:heads/main",
            "branch:origin/main",
            'branch:" main"',
            'branch:"main "',
            "branch:x commit:1f2e3d4c",
            "branch:x tag:v9.9.9",
            "branch:x env:BITRISE_GIT_BRANCH=main",
            "branch:release/2",
        ):
            await request_approval(harness, f"/bitrise trigger android {command} workflow:deploy")
        for command in ("branch:main~0", "branch:main@{0}", "branch:HEAD", "branch:refs/tags/v1"):
            await harness.ask(
                f"/bitrise trigger android {command} workflow:deploy",
                "isn't a valid branch name",
                person="ben",
            )
        assert start_requests(harness) == []
        approval = await request_approval(
            harness, "/bitrise trigger android branch:refs/heads/main workflow:deploy"
        )
        await harness.users.click("anna", approval, "Approve")
        await harness.wait_for_message("ben started Sample Android #1", person=None)
        assert harness.bitrise.state.builds[0].params["branch"] == "main"


async def test_an_install_page_belongs_to_a_branch_unless_the_build_is_known_to_be_of_another_one(
    tmp_path: Path,
) -> None:
    rules = '[[rule]]\nprotect = ["artifacts"]\nbranches = ["main"]\nwho = ["U0ANNA"]\n'
    async with governed(tmp_path, rules) as harness:
        for number, command in enumerate(("branch:x commit:1f2e3d4c", "branch:main", "branch:x"), start=1):
            expected = f"ben started Sample Android #{number}"
            await harness.ask(f"/bitrise trigger android {command} workflow:deploy", expected, person="ben")
            harness.bitrise.finish(harness.bitrise.state.builds[-1])
        pages = []
        for number in (1, 2, 3):
            listed = await harness.ask(
                f"/bitrise artifacts android #{number}", "artifacts from", person="ben"
            )
            pages.append(
                await harness.press(
                    listed, "Get link", "Anyone with the link to the install page can use it", person="ben"
                )
            )
        for page in pages[:2]:
            before = harness.last("builds", None)
            await harness.users.click("ben", page, "Make private")
            await harness.wait_for_message("requests approval to", person=None, after=before)
        # A page that is known to be of another branch needs no approval.
        await harness.press(pages[2], "Make private", "ben made the install page", person="ben")


async def test_rules_use_the_name_that_an_app_has_at_the_time_of_the_action(tmp_path: Path) -> None:
    rules = '[[rule]]\nprotect = ["trigger"]\napps = ["payments-*"]\n'
    async with governed(tmp_path, rules) as harness:
        await harness.ask("/bitrise use android", "Sample Android", person="ben")
        await harness.ask("/bitrise apps", "Sample Android", person="ben")
        # The bot's list of apps is from before the change.
        harness.bitrise.android.title = "payments-live"
        await request_approval(harness, "/bitrise trigger branch:develop workflow:primary")
        assert start_requests(harness) == []


async def test_b22_the_person_that_a_workflow_step_names_must_agree_and_approval_needs_such_a_person(
    tmp_path: Path,
) -> None:
    async with governed(tmp_path, MAIN, service_token_acts="1") as harness:
        await harness.ask("/bitrise subscribe android", "subscribed")
        run = harness.users.run_step("start_bitrise_build", {"app": "android", "branch": "main"})
        await harness.wait_until(lambda: run.status != "running")
        assert "Fill in *On behalf of* in the workflow's step" in str(run.error)
        step = {"app": "android", "branch": "main", "workflow": "deploy", "person": "U0BEN"}
        harness.users.run_step("start_bitrise_build", step)
        approval = await harness.wait_for_message("on your behalf", person="ben", channel="D0BEN")
        assert "branch: main" in harness.message_text(approval)
        assert start_requests(harness) == []
        await harness.users.click("ben", approval, "Approve")
        second_approval = await harness.wait_for_message("requests approval to", person=None)
        await harness.press(second_approval, "Approve", "You can't decide your own request", person="ben")
        assert start_requests(harness) == []
        await harness.users.click("anna", second_approval, "Approve")
        await harness.wait_for_message("ben started Sample Android #1", person=None)


async def test_b23_a_persons_own_pipeline_does_not_change_the_stage_of_an_app(tmp_path: Path) -> None:
    rules = '[[rule]]\nprotect = "everything"\nproviders = ["buildio"]\nstages = ["production"]\nwho = ["U0ANNA"]\n'
    async with config_var_harness(tmp_path, rules) as harness:
        pipeline = harness.buildio.pipeline
        platform, ben = harness.buildio.state, harness.buildio.members["ben-okafor"]
        own_pipeline = Pipeline(
            platform.new_id(), "mine", None, ben, pipeline.created_at, {harness.buildio.shop: "development"}
        )
        # Ben no longer sees the real pipeline, and has one of his own.
        pipeline.team = harness.buildio.labs
        platform.pipelines.append(own_pipeline)
        await request_approval(harness, "/buildio restart shop web.1")
        # If the bot's own token sees no pipeline, the stage is unknown.
        platform.pipelines.remove(pipeline)
        await request_approval(harness, "/buildio restart shop web.1")
        assert changes(harness) == []


async def test_b24_nobody_approves_an_action_on_an_app_that_they_can_not_see(tmp_path: Path) -> None:
    async with governed(tmp_path, EVERYTHING) as harness:
        await harness.connect("carla")  # who sees only one app
        approval = await request_approval(harness, "/bitrise trigger web branch:main", person="anna")
        await harness.press(approval, "Approve", "can't see this app", person="carla")
        assert start_requests(harness) == []


async def test_f6_requester_and_approvers_can_not_be_changed_in_the_database(tmp_path: Path) -> None:
    for change in (
        "asked_by = 'U0ANNA'",
        'deciders = \'{"who": [{"everyone": true}]}\'',
        "channel_id = 'C0RANDOM'",
        "expires_at = '2099-01-01T00:00:00.000000+00:00'",
        "asked_at = '2099-01-01T00:00:00.000000+00:00'",
    ):
        folder = tmp_path / change[:8].strip()
        folder.mkdir()
        async with governed(folder, BY_ANNA) as harness:
            approval = await request_approval(harness, "/bitrise trigger android branch:main workflow:deploy")
            await harness.execute(f"UPDATE proposals SET {change}")  # noqa: S608 - our own words
            await harness.press(approval, "Approve", "This request can't be read any more", person="anna")
            assert start_requests(harness) == []


async def test_f11_a_decided_action_can_not_be_decided_again(tmp_path: Path) -> None:
    async with governed(tmp_path, BY_ANNA) as harness:
        approved = await request_approval(harness, "/bitrise trigger android branch:main workflow:deploy")
        blocks = json.loads(json.dumps(approved.blocks))
        await harness.users.click("anna", approved, "Approve")
        await harness.wait_for_message("ben started Sample Android #1", person=None)
        declined = await request_approval(harness, "/bitrise trigger android branch:main workflow:deploy")
        await harness.users.click("anna", declined, "Decline")
        await harness.wait_until(lambda: "declined" in harness.message_text(declined))
        assert await harness.rows("SELECT DISTINCT act FROM proposals") == [("",)]
        await harness.execute("UPDATE proposals SET state = 'open'")
        approved.blocks = blocks
        await harness.press(approved, "Approve", "This request can't be read any more", person="anna")
        assert len(start_requests(harness)) == 1


async def test_g5_a_rule_that_is_tightened_meanwhile_holds_for_what_is_open(tmp_path: Path) -> None:
    async with governed(tmp_path, '[[rule]]\nprotect = ["trigger"]\n') as harness:
        await harness.connect("carla")
        approval = await request_approval(harness, "/bitrise trigger android branch:main")
        anna = {"who": "The people and groups below", "people": ["U0ANNA"]}
        await add_rule(harness, kind="Require approval", acts=["Start builds"], **anna)
        await harness.wait_for_message("New access rule", person=None)
        await harness.press(approval, "Approve", "Only Anna Berg can approve this", person="carla")
        assert start_requests(harness) == []
        await harness.users.click("anna", approval, "Approve")
        await harness.wait_for_message("ben started Sample Android #1", person=None)


def test_d4_a_deployment_does_not_trust_that_its_build_was_started_by_a_push() -> None:
    android = App(provider=BITRISE, slug="a1", title="android")
    shop = App(provider=BUILDIO, slug="s1", title="shop")
    build = Build(
        provider=BITRISE,
        app_slug="a1",
        slug="b1",
        state=BuildState.SUCCEEDED,
        branch="develop",
        commit_hash="1f3a",
        triggered_by="webhook-github/octo",
        url="https://x",
    )
    act = DeployAction.of_build(build, android, shop)
    assert act.built == SourceBuild.of(build, android)
    assert act.access_request("C1").branch is None
    assert DeployAction(app=shop, branch="develop").access_request("C1").branch == "develop"
