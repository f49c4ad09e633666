"""Attempts to widen or to bypass access rules (SECURITY.md, B25 and B26)."""

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


async def test_b25_a_rule_for_some_apps_or_channels_allows_nothing_without_an_app_or_channel(
    tmp_path: Path,
) -> None:
    async with config_var_harness(tmp_path, SANDBOXES_ONLY) as harness:
        await harness.connect("ben")
        running = harness.bitrise.start_build(harness.bitrise.android)
        harness.bitrise.start_running(running)
        trigger, refused = "/bitrise trigger android branch:main", "No one can start builds in Sample Android"
        await harness.ask(trigger, refused, person="ben")
        await harness.ask(trigger, refused, person="ben", channel="D0BEN")

        await harness.users.shortcut("ben", "start_build")
        await harness.slack.wait_for_modal("ben", "Start a build")
        offered = await harness.users.options("ben", "pick_app", "Sam")
        [android] = [option for option in offered if option["text"]["text"] == "Sample Android"]
        await harness.redraw("pick_app", android, person="ben")
        [branch, *_] = await harness.users.options("ben", "pick_branch", "main")
        await harness.users.submit("ben", {"branch": branch})
        opened = await harness.slack.wait_for_modal("ben", refused)
        assert "which is unknown here" in " ".join(opened.errors.values())
        assert [build for build in harness.bitrise.state.builds if build is not running] == []

        environment = harness.buildio.pipeline.environments[0]
        environment.config["PAYMENTS_KEY"] = SECRET
        await harness.ask(
            f"/buildio envs {environment.id}", "No one can view and change config vars", person="ben"
        )
        assert visible_in(harness) == []
        await harness.ask("/buildio config shop-staging", "Views are logged", person="ben")

        await harness.users.command("ben", "builds", "/buildio namespaces delete acme-internal")
        await harness.slack.wait_for_modal("ben", "and everything in it")
        await harness.users.submit("ben", {"typed_name": "acme-internal"})
        await harness.slack.wait_for_modal("ben", "this has no app, so all of them apply")
        assert [namespace.name for namespace in harness.buildio.state.namespaces] == ["acme-internal"]

        await harness.ask(trigger, "ben started Sample Android", person="ben", channel="random")


async def test_b26_a_name_that_only_looks_like_one_of_a_rule_does_not_match_it(tmp_path: Path) -> None:
    async with governed(tmp_path, LOOKS_LIKE) as harness:
        harness.bitrise.android.title = SLUG
        trigger = f"/bitrise trigger {harness.bitrise.android.slug} branch:develop"
        await harness.ask(trigger, f"No one can start builds in {SLUG}", person="ben")
        await harness.ask("/bitrise trigger ios branch:MAIN", "requests approval to", person="ben")
        assert harness.bitrise.state.builds == []
        await harness.ask("/bitrise trigger ios branch:develop", "ben started Sample iOS", person="ben")
