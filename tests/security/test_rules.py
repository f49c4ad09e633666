"""Somebody who wants a rule to say more, or another one to say less, than it does (SECURITY.md, B25 and B26)."""

from __future__ import annotations

from pathlib import Path

from tests.providers.buildio.config_var_harness import SECRET, config_var_harness, visible_in
from tests.services.features.test_access_rules import governed

SANDBOXES_ONLY = """
[[rule]]
allow = ["trigger", "abort"]
channels = ["C0RANDOM"]
who = "everyone"

[[rule]]
allow = ["config", "delete"]
apps = ["shop-*"]
who = "everyone"

[[rule]]
allow = "everything"
who = "nobody"
"""
SLUG = "00000000000000aa"
LOOKS_LIKE = f"""
[[rule]]
allow = ["trigger"]
apps = ["{SLUG}", "sample ios"]
who = "everyone"

[[rule]]
allow = ["trigger"]
who = "nobody"

[[rule]]
protect = ["trigger"]
branches = ["main"]
"""


async def test_b25_a_rule_for_some_apps_or_channels_opens_nothing_that_has_none(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, SANDBOXES_ONLY) as town:
        await town.connect("ben")
        running = town.bitrise.start_build(town.bitrise.android)
        town.bitrise.start_running(running)
        trigger, refused = "/bitrise trigger android branch:main", "Nobody may start builds of Sample Android"
        await town.ask(trigger, refused, person="ben")
        await town.ask(trigger, refused, person="ben", channel="D0BEN")

        await town.users.shortcut("ben", "start_build")
        await town.slack.wait_for_modal("ben", "Start a build")
        offered = await town.users.options("ben", "pick_app", "Sam")
        [android] = [one for one in offered if one["text"]["text"] == "Sample Android"]
        await town.redraw("pick_app", android, person="ben")
        [branch, *_] = await town.users.options("ben", "pick_branch", "main")
        await town.users.submit("ben", {"branch": branch})
        opened = await town.slack.wait_for_modal("ben", refused)
        assert "from here I can't tell the channel" in " ".join(opened.errors.values())
        assert [build for build in town.bitrise.state.builds if build is not running] == []

        environment = town.buildio.pipeline.environments[0]
        environment.config["PAYMENTS_KEY"] = SECRET
        await town.ask(
            f"/buildio envs {environment.id}", "Nobody may see and change config vars", person="ben"
        )
        assert visible_in(town) == []
        await town.ask("/buildio config shop-staging", "Who looked is noted", person="ben")

        await town.users.command("ben", "builds", "/buildio namespaces delete acme-internal")
        await town.slack.wait_for_modal("ben", "is deleted with all that is in it")
        await town.users.submit("ben", {"typed_name": "acme-internal"})
        await town.slack.wait_for_modal("ben", "this is about no app: so all of them hold")
        assert [one.name for one in town.buildio.state.namespaces] == ["acme-internal"]

        await town.ask(trigger, "ben started Sample Android", person="ben", channel="random")


async def test_b26_what_only_looks_like_what_a_rule_names_does_not_pass_for_it(tmp_path: Path) -> None:
    async with governed(tmp_path, LOOKS_LIKE) as town:
        town.bitrise.android.title = SLUG
        trigger = f"/bitrise trigger {town.bitrise.android.slug} branch:develop"
        await town.ask(trigger, f"Nobody may start builds of {SLUG}", person="ben")
        await town.ask("/bitrise trigger ios branch:MAIN", "Somebody else must agree", person="ben")
        assert town.bitrise.state.builds == []
        await town.ask("/bitrise trigger ios branch:develop", "ben started Sample iOS", person="ben")
