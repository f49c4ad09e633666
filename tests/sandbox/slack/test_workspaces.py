"""Several workspaces: nothing of one is accessible with the token of another."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.slack.input_values import InvalidInteraction
from sandbox.slack.models import Channel
from sandbox.slack.server import SlackSimulator
from sandbox.slack.users import User, UserGroup
from sandbox.slack.workspace_driver import WorkspaceDriver
from tests.sandbox.slack.installation_requests import REDIRECT_URL, install
from tests.sandbox.slack.web_api_call import call_web_api
from tests.third_party_apps.distributed_app import BOOK, MANIFEST, run_distributed_app

Json = dict[str, Any]
SCOPES = [
    *MANIFEST["oauth_config"]["scopes"]["bot"],
    "channels:history",
    "channels:read",
    "files:write",
    "im:write",
    "users:read.email",
]
WIDER: Json = MANIFEST | {"oauth_config": {"scopes": {"bot": SCOPES}}}


class TwoWorkspaces:
    """Two workspaces with equal user and channel ids, and the second one's token."""

    def __init__(self, slack: SlackSimulator, twin: WorkspaceDriver, token: str) -> None:
        self.slack, self.twin, self.token = slack, twin, token

    async def there(self, method: str, **given: Any) -> Json:
        return await call_web_api(self.slack, method, token=self.token, **given)

    async def here(self, method: str, **given: Any) -> Json:
        return await call_web_api(self.slack, method, **given)


@pytest.fixture
async def two_workspaces() -> AsyncIterator[TwoWorkspaces]:
    slack = await SlackSimulator(WIDER).start()
    same = [User("U0ANNA", "anne", "Anne Other", owner=True), User("U0BEN", "bert", "Bert Other")]
    twin = slack.add_workspace("T0TWIN", "Twin", same, [Channel("C0BUILDS", "building")])
    slack.redirect_urls = [REDIRECT_URL]
    response = await install(slack, team="T0TWIN", person="anne")
    slack.users.invite("builds")
    twin.users.invite("building")
    yield TwoWorkspaces(slack, twin, response["access_token"])
    await slack.close()


async def test_equal_ids_mean_different_users_and_channels_by_token(two_workspaces: TwoWorkspaces) -> None:
    assert (await two_workspaces.here("users.info", user="U0ANNA"))["user"]["real_name"] == "Anna Berg"
    shown = (await two_workspaces.there("users.info", user="U0ANNA"))["user"]
    assert (shown["real_name"], shown["team_id"]) == ("Anne Other", "T0TWIN")
    await two_workspaces.here("chat.postMessage", channel="C0BUILDS", text="first")
    posted = await two_workspaces.there("chat.postMessage", channel="C0BUILDS", text="second")
    assert (posted["message"]["team"], posted["message"]["bot_id"]) == (
        "T0TWIN",
        two_workspaces.twin.workspace.bot_id,
    )
    assert [post.text for post in two_workspaces.slack.posts("builds")] == ["first"]
    assert [post.text for post in two_workspaces.twin.posts("building")] == ["second"]
    read = await two_workspaces.there("conversations.history", channel="C0BUILDS")
    assert [message["text"] for message in read["messages"]] == ["second"]
    assert two_workspaces.twin.transcript("building", "bert").startswith("visitor")


async def test_channels_and_messages_of_another_workspace_are_not_found(
    two_workspaces: TwoWorkspaces,
) -> None:
    assert (await two_workspaces.there("chat.postMessage", channel="C0RANDOM", text="x"))[
        "error"
    ] == "channel_not_found"
    await two_workspaces.here("chat.postMessage", channel="C0BUILDS", text="secret")
    [post] = two_workspaces.slack.posts("builds")
    for method in ("chat.update", "chat.delete"):
        response = await two_workspaces.there(method, channel="C0BUILDS", ts=post.ts, text="mine")
        assert response["error"] == "message_not_found"
    assert (await two_workspaces.there("conversations.replies", channel="C0BUILDS", ts=post.ts))[
        "error"
    ] == "thread_not_found"
    assert (await two_workspaces.there("conversations.open", users="U0CARLA"))["error"] == "user_not_found"
    assert [post.text for post in two_workspaces.slack.posts("builds")] == ["secret"]


async def test_triggers_views_and_files_of_another_workspace_are_not_found(
    two_workspaces: TwoWorkspaces,
) -> None:
    view = json.dumps(BOOK)
    trigger = two_workspaces.slack.handles.create_trigger("U0ANNA")
    assert (await two_workspaces.there("views.open", trigger_id=trigger, view=view))[
        "error"
    ] == "invalid_trigger_id"
    opened = await two_workspaces.here("views.open", trigger_id=trigger, view=view)
    assert opened["view"]["team_id"] == "T0SANDBOX"
    changed = await two_workspaces.there("views.update", view_id=opened["view"]["id"], view=view)
    assert changed["error"] == "not_found"
    assert two_workspaces.twin.users.modal("anne") is None
    file = (await two_workspaces.here("files.getUploadURLExternal", filename="a.log", length="1"))["file_id"]
    files = json.dumps([{"id": file}])
    assert (await two_workspaces.there("files.completeUploadExternal", files=files))[
        "error"
    ] == "file_not_found"
    assert (await two_workspaces.here("files.completeUploadExternal", files=files))["ok"] is True


async def test_a_response_url_leads_to_its_own_workspace(two_workspaces: TwoWorkspaces) -> None:
    name = two_workspaces.twin.handles.create_response_url("U0ANNA", "C0BUILDS")
    async with aiohttp.ClientSession() as session:
        for words in ("hello", "again"):
            async with session.post(
                f"{two_workspaces.slack.url}/response/{name}", json={"text": words}
            ) as response:
                assert response.status == 200
        async with session.post(
            f"{two_workspaces.slack.url}/response/made-up", json={"text": "x"}
        ) as response:
            assert (await response.json())["error"] == "no_such_response_url"
    assert [post.text for post in two_workspaces.twin.posts("building", "anne")] == ["hello", "again"]
    assert two_workspaces.slack.posts("builds", "anna") == []


async def test_each_workspace_has_its_own_rate_limits(two_workspaces: TwoWorkspaces) -> None:
    statuses = [
        (await two_workspaces.here("chat.postMessage", channel="C0BUILDS", text="x"))["status"]
        for _ in range(7)
    ]
    assert statuses[-1] == 429
    assert (await two_workspaces.there("chat.postMessage", channel="C0BUILDS", text="x"))["status"] == 200


async def test_no_events_are_sent_from_a_workspace_without_the_app() -> None:
    slack = await SlackSimulator(MANIFEST).start()
    acme = slack.add_workspace()
    acme.users.say("emil", "D0ACMEEMIL", "anybody there?")
    acme.users.say("emil", "builds", "hello")
    with pytest.raises(InvalidInteraction, match="visitor is not installed in Acme"):
        acme.users.invite("builds")
    assert list(slack.request_log.entries) == []
    await slack.close()


async def test_a_team_id_can_be_used_once() -> None:
    slack = SlackSimulator(MANIFEST)
    slack.add_workspace("T0TWIN")
    with pytest.raises(ValueError, match="T0TWIN"):
        slack.add_workspace("T0TWIN")


async def test_groups_are_listed_with_the_requested_details(two_workspaces: TwoWorkspaces) -> None:
    [group] = (await two_workspaces.here("usergroups.list"))["usergroups"]
    assert (group["id"], group["handle"], group["team_id"]) == ("S0RELEASE", "release-team", "T0SANDBOX")
    assert (group["date_delete"], "users" in group, "user_count" in group) == (0, False, False)
    [group] = (await two_workspaces.here("usergroups.list", include_users="true", include_count="1"))[
        "usergroups"
    ]
    assert (group["users"], group["user_count"]) == (["U0BEN"], 1)
    assert (await two_workspaces.here("usergroups.users.list", usergroup="S0RELEASE"))["users"] == ["U0BEN"]
    assert (await two_workspaces.there("usergroups.list"))["usergroups"] == []
    for asked in ({"usergroup": "S0RELEASE"}, {}):
        assert (await two_workspaces.there("usergroups.users.list", **asked))["error"] == "no_such_subteam"


async def test_a_disabled_group_is_listed_only_on_request(two_workspaces: TwoWorkspaces) -> None:
    two_workspaces.slack.workspace.groups["S0OLD"] = UserGroup(
        "S0OLD", "old", "Old", ["U0ANNA"], date_delete=1_700_000_001
    )
    assert [
        usergroup["id"] for usergroup in (await two_workspaces.here("usergroups.list"))["usergroups"]
    ] == ["S0RELEASE"]
    listed = (await two_workspaces.here("usergroups.list", include_disabled="true"))["usergroups"]
    assert [item["date_delete"] for item in listed] == [0, 1_700_000_001]
    assert (await two_workspaces.here("usergroups.users.list", usergroup="S0OLD"))[
        "error"
    ] == "no_such_subteam"
    asked = await two_workspaces.here("usergroups.users.list", usergroup="S0OLD", include_disabled="true")
    assert asked["users"] == ["U0ANNA"]


async def test_groups_need_their_scope(two_workspaces: TwoWorkspaces) -> None:
    two_workspaces.slack.api.scopes = frozenset({"chat:write"})
    for method in ("usergroups.list", "usergroups.users.list"):
        assert (await two_workspaces.here(method, usergroup="S0RELEASE"))["needed"] == "usergroups:read"


async def test_a_group_mention_is_shown_by_its_handle(two_workspaces: TwoWorkspaces) -> None:
    await two_workspaces.here("chat.postMessage", channel="C0BUILDS", text="<!subteam^S0RELEASE> look")
    assert two_workspaces.slack.message_text(two_workspaces.slack.posts("builds")[-1]) == "@release-team look"


async def test_admins_and_owners_are_marked(two_workspaces: TwoWorkspaces) -> None:
    async def flags(user: str) -> tuple[bool, bool, bool]:
        shown = (await two_workspaces.here("users.info", user=user))["user"]
        return shown["is_admin"], shown["is_owner"], shown["is_primary_owner"]

    assert await flags("U0ANNA") == (True, True, True)
    assert await flags("U0BEN") == (False, False, False)


async def test_a_deactivated_user_is_removed_everywhere(two_workspaces: TwoWorkspaces) -> None:
    slack, workspace = two_workspaces.slack, two_workspaces.slack.workspace
    slack.users.deactivate("ben")
    shown = (await two_workspaces.here("users.info", user="U0BEN"))["user"]
    assert (shown["deleted"], shown["profile"]["real_name"]) == (True, "Ben Okafor")
    assert {"tz", "is_admin", "real_name"}.isdisjoint(shown)
    assert not any("U0BEN" in channel.members for channel in workspace.channels.values())
    assert (await two_workspaces.here("usergroups.users.list", usergroup="S0RELEASE"))["users"] == []
    assert (await two_workspaces.here("conversations.open", users="U0BEN"))["error"] == "user_disabled"
    assert (await two_workspaces.here("chat.postMessage", channel="D0BEN", text="x"))[
        "error"
    ] == "is_archived"
    assert (await two_workspaces.here("chat.postEphemeral", channel="C0BUILDS", user="U0BEN", text="x"))[
        "error"
    ] == "user_not_in_channel"
    for act in (
        lambda: slack.users.say("ben", "builds", "still here"),
        lambda: slack.users.open_home("ben"),
        lambda: slack.users.deactivate("ben"),
    ):
        with pytest.raises(InvalidInteraction, match="ben has left Sandbox"):
            act()
    with pytest.raises(InvalidInteraction, match="ben has left Sandbox"):
        await slack.users.command("ben", "builds", "/greet")
    # The user with the same id in the other workspace has not.
    assert (await two_workspaces.there("users.info", user="U0BEN"))["user"]["deleted"] is False


async def test_a_deactivated_user_sends_user_change_where_the_app_is_installed(tmp_path: Path) -> None:
    slack = await SlackSimulator(MANIFEST).start()
    acme = slack.add_workspace()
    async with run_distributed_app(slack, tmp_path) as visitor:
        acme.users.deactivate("fay")
        await slack.install(visitor.install_url, team="T0ACME")
        installation = slack.installations.get("T0ACME")
        installation.scopes -= {"users:read"}
        acme.users.deactivate("dana")
        installation.scopes |= {"users:read"}
        acme.users.deactivate("emil")
        events = await visitor.wait_for("user_change")
        user = events["event"]["user"]
        assert (events["team_id"], user["id"], user["deleted"]) == ("T0ACME", "U0ACMEEMIL", True)
        assert "email" not in user["profile"]
        assert slack.violations == []
    await slack.close()
