"""What is judged is what is shown, and what is shown is what is sent (SECURITY.md, B, F and G)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.build import App, Build, BuildState
from domain.provider import Provider
from providers.buildio.actions import DeployAction, SourceBuild
from sandbox.buildio.state import Pipeline
from sandbox.slack.models import Post
from tests.providers.buildio.config_var_harness import changes, config_var_harness
from tests.services.features.test_access_rules import add_rule, governed
from tests.support.bot_harness import BotHarness

DEPLOY = '[[rule]]\nprotect = ["trigger"]\nworkflows = ["deploy"]\nwho = ["U0ANNA"]\n'
MAIN = '[[rule]]\nprotect = ["trigger"]\nbranches = ["main", "release/*"]\nwho = ["U0ANNA"]\n'
EVERYTHING = '[[rule]]\nprotect = "everything"\n'
BY_ANNA = '[[rule]]\nprotect = "everything"\nwho = ["U0ANNA"]\n'


async def ask_for(harness: BotHarness, words: str, *, person: str = "ben") -> Post:
    """Type what needs a second person; returns the message that asks for one."""
    before = harness.last("builds", None)
    await harness.users.command(person, "builds", words)
    return await harness.wait_for_message("Somebody else must agree", person=None, after=before)


def started(harness: BotHarness) -> list[Any]:
    return [one for one in harness.bitrise.requests if one.method == "POST"]


@pytest.fixture
async def by_workflow(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with governed(tmp_path, DEPLOY) as town:
        yield town


async def test_b18_a_protected_workflow_is_not_reached_by_a_pipeline_nor_by_a_rebuild_of_one(
    by_workflow: BotHarness,
) -> None:
    town = by_workflow
    await ask_for(town, "/bitrise trigger android branch:develop pipeline:release-train")
    both = "/bitrise trigger android branch:develop workflow:primary pipeline:release-train"
    await town.ask(both, "a workflow or a pipeline, not both", person="ben")
    params = {"branch": "develop", "pipeline_id": "release-train"}
    run = town.bitrise.start_pipeline(town.bitrise.android, params=params)
    run.builds["primary"].finish("error", town.clock())
    await ask_for(town, "/bitrise rebuild android #1")
    assert started(town) == []
    # What is not protected is started at once.
    words = "/bitrise trigger android branch:develop workflow:primary"
    await town.ask(words, "ben started Sample Android", person="ben")


async def test_b19_the_second_person_sees_all_that_is_sent(tmp_path: Path) -> None:
    async with governed(tmp_path, BY_ANNA) as town:
        words = "branch:develop workflow:deploy message:why env:TARGET=production env:API_TOKEN=Canary7Gx2Canary7Gx2"
        asked = await ask_for(town, f"/bitrise trigger android {words}")
        said = town.message_text(asked)
        for shown in ("branch: develop", "workflow: deploy", "message: why", "variable TARGET: production"):
            assert shown in said
        assert "variable API_TOKEN: not shown, since it looks like a secret (20 characters)" in said
        await town.users.click("anna", asked, "Agree")
        await town.wait_for_message("ben started Sample Android #1", person=None)
        town.bitrise.start_running(town.bitrise.state.builds[0])
        card = await town.ask("/bitrise build android #1", "is running", person="ben")
        await town.users.click("ben", card, "Abort")
        modal = await town.slack.wait_for_modal("ben", "stops at once")
        [options] = [one["element"] for one in modal.view["blocks"] if one.get("block_id") == "options"]
        before = town.last("builds", None)
        every = [one["text"]["text"] for one in options["options"]]
        await town.users.submit("ben", {"reason": "just restarting it", "options": every})
        asked = await town.wait_for_message("Somebody else must agree", person=None, after=before)
        said = town.message_text(asked)
        for shown in (
            "just restarting it",
            "counts as a success: yes",
            "no notifications: yes",
            "no Git status: yes",
        ):
            assert shown in said
        await town.users.click("anna", asked, "Agree")
        await town.wait_for_message("ben aborted", person=None)
        bodies = await town.rows("SELECT body FROM audit WHERE body LIKE '%abort%'")
        assert len(bodies) == 4
        assert all(json.loads(str(body))["about"]["with_success"] == "true" for (body,) in bodies)


async def test_b20_a_protected_branch_is_protected_under_every_spelling(tmp_path: Path) -> None:
    async with governed(tmp_path, MAIN) as town:
        for words in (
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
            await ask_for(town, f"/bitrise trigger android {words} workflow:deploy")
        for words in ("branch:main~0", "branch:main@{0}", "branch:HEAD", "branch:refs/tags/v1"):
            await town.ask(
                f"/bitrise trigger android {words} workflow:deploy", "not the name of a branch", person="ben"
            )
        assert started(town) == []
        asked = await ask_for(town, "/bitrise trigger android branch:refs/heads/main workflow:deploy")
        await town.users.click("anna", asked, "Agree")
        await town.wait_for_message("ben started Sample Android #1", person=None)
        assert town.bitrise.state.builds[0].params["branch"] == "main"


async def test_an_install_page_is_of_a_branch_only_where_what_was_built_is_known_to_be_of_it(
    tmp_path: Path,
) -> None:
    rules = '[[rule]]\nprotect = ["artifacts"]\nbranches = ["main"]\nwho = ["U0ANNA"]\n'
    async with governed(tmp_path, rules) as town:
        for number, words in enumerate(("branch:x commit:1f2e3d4c", "branch:main", "branch:x"), start=1):
            started_it = f"ben started Sample Android #{number}"
            await town.ask(f"/bitrise trigger android {words} workflow:deploy", started_it, person="ben")
            town.bitrise.finish(town.bitrise.state.builds[-1])
        pages = []
        for number in (1, 2, 3):
            listed = await town.ask(f"/bitrise artifacts android #{number}", "left", person="ben")
            pages.append(await town.press(listed, "Get link", "The install page is public", person="ben"))
        for page in pages[:2]:
            before = town.last("builds", None)
            await town.users.click("ben", page, "Make private")
            await town.wait_for_message("Somebody else must agree", person=None, after=before)
        # What is known to be of another branch needs nobody.
        await town.press(pages[2], "Make private", "ben made the install page", person="ben")


async def test_rules_are_about_what_an_app_is_called_when_something_is_done(tmp_path: Path) -> None:
    rules = '[[rule]]\nprotect = ["trigger"]\napps = ["payments-*"]\n'
    async with governed(tmp_path, rules) as town:
        await town.ask("/bitrise use android", "Sample Android", person="ben")
        await town.ask("/bitrise apps", "Sample Android", person="ben")
        # The bot has its list of apps from before the change.
        town.bitrise.android.title = "payments-live"
        await ask_for(town, "/bitrise trigger branch:develop workflow:primary")
        assert started(town) == []


async def test_b22_whom_a_workflow_names_must_agree_and_a_second_person_needs_somebody_who_asks(
    tmp_path: Path,
) -> None:
    async with governed(tmp_path, MAIN, service_token_acts="1") as town:
        await town.ask("/bitrise subscribe android", "subscribed")
        run = town.users.run_step("start_bitrise_build", {"app": "android", "branch": "main"})
        await town.wait_until(lambda: run.status != "running")
        assert "Fill in *On behalf of* in the workflow's step" in str(run.error)
        step = {"app": "android", "branch": "main", "workflow": "deploy", "person": "U0BEN"}
        town.users.run_step("start_bitrise_build", step)
        asked = await town.wait_for_message("in your name", person="ben", channel="D0BEN")
        assert "branch: main" in town.message_text(asked)
        assert started(town) == []
        await town.users.click("ben", asked, "Do it as me")
        second = await town.wait_for_message("Somebody else must agree", person=None)
        await town.press(second, "Agree", "a second person is the point of it", person="ben")
        assert started(town) == []
        await town.users.click("anna", second, "Agree")
        await town.wait_for_message("ben started Sample Android #1", person=None)


async def test_b23_a_stage_is_not_what_somebodys_own_pipeline_says(tmp_path: Path) -> None:
    rules = '[[rule]]\nprotect = "everything"\nproviders = ["buildio"]\nstages = ["production"]\nwho = ["U0ANNA"]\n'
    async with config_var_harness(tmp_path, rules) as town:
        own = town.buildio.pipeline
        platform, ben = town.buildio.state, town.buildio.members["ben-okafor"]
        mine = Pipeline(
            platform.new_id(), "mine", None, ben, own.created_at, {town.buildio.shop: "development"}
        )
        # Ben does not see the pipeline that counts any more, and has one of his own.
        own.team = town.buildio.labs
        platform.pipelines.append(mine)
        await ask_for(town, "/buildio restart shop web.1")
        # Where the bot's own token sees none, nobody can tell.
        platform.pipelines.remove(own)
        await ask_for(town, "/buildio restart shop web.1")
        assert changes(town) == []


async def test_b24_nobody_agrees_to_what_they_may_not_see(tmp_path: Path) -> None:
    async with governed(tmp_path, EVERYTHING) as town:
        await town.connect("carla")  # who sees one app alone
        asked = await ask_for(town, "/bitrise trigger web branch:main", person="anna")
        await town.press(asked, "Agree", "does not see this app", person="carla")
        assert started(town) == []


async def test_f6_who_asked_and_who_may_agree_can_not_be_changed_in_the_database(tmp_path: Path) -> None:
    for change in (
        "asked_by = 'U0ANNA'",
        'deciders = \'{"who": [{"everyone": true}]}\'',
        "channel_id = 'C0RANDOM'",
        "expires_at = '2099-01-01T00:00:00.000000+00:00'",
        "asked_at = '2099-01-01T00:00:00.000000+00:00'",
    ):
        folder = tmp_path / change[:8].strip()
        folder.mkdir()
        async with governed(folder, BY_ANNA) as town:
            asked = await ask_for(town, "/bitrise trigger android branch:main workflow:deploy")
            await town.execute(f"UPDATE proposals SET {change}")  # noqa: S608 - our own words
            await town.press(asked, "Agree", "can't read any more what this was about", person="anna")
            assert started(town) == []


async def test_f11_what_was_decided_leaves_nothing_to_decide_again(tmp_path: Path) -> None:
    async with governed(tmp_path, BY_ANNA) as town:
        done = await ask_for(town, "/bitrise trigger android branch:main workflow:deploy")
        blocks = json.loads(json.dumps(done.blocks))
        await town.users.click("anna", done, "Agree")
        await town.wait_for_message("ben started Sample Android #1", person=None)
        declined = await ask_for(town, "/bitrise trigger android branch:main workflow:deploy")
        await town.users.click("anna", declined, "Decline")
        await town.wait_until(lambda: "declined" in town.message_text(declined))
        assert await town.rows("SELECT DISTINCT act FROM proposals") == [("",)]
        await town.execute("UPDATE proposals SET state = 'open'")
        done.blocks = blocks
        await town.press(done, "Agree", "can't read any more what this was about", person="anna")
        assert len(started(town)) == 1


async def test_g5_a_rule_that_is_tightened_meanwhile_holds_for_what_is_open(tmp_path: Path) -> None:
    async with governed(tmp_path, '[[rule]]\nprotect = ["trigger"]\n') as town:
        await town.connect("carla")
        asked = await ask_for(town, "/bitrise trigger android branch:main")
        anna = {"who": "The people and groups below", "people": ["U0ANNA"]}
        await add_rule(town, kind="Needs a second person", acts=["Start builds"], **anna)
        await town.wait_for_message("A new rule", person=None)
        await town.press(asked, "Agree", "Only Anna Berg may agree to this", person="carla")
        assert started(town) == []
        await town.users.click("anna", asked, "Agree")
        await town.wait_for_message("ben started Sample Android #1", person=None)


def test_d4_that_a_build_was_started_by_a_push_is_not_believed_where_it_is_deployed() -> None:
    android = App(slug="a1", title="android")
    shop = App(provider=Provider.BUILDIO, slug="s1", title="shop")
    build = Build(
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
