"""A scenario that uses every listener of the bot, to record a payload of each kind."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from messages.kit import action_ids
from sandbox.bitrise.members import Role
from sandbox.slack.input_values import Block, iterate_elements
from sandbox.slack.models import OpenView, Post
from services.request.request_tracker import RequestTracker
from tests.fuzz import buildio_scenario
from tests.fuzz.buildio_scenario import COMMIT, PlantedSecrets
from tests.fuzz.fuzz_harness import FuzzHarness
from tests.support.bot_harness import BotHarness
from tests.support.canary_secrets import log_with_secrets

# More than one message shows.
MORE_APPS = 60
# Actions that end others come last.
_LAST = (
    action_ids.DISCONNECT,
    action_ids.WIPE_TOKEN,
    action_ids.UNSUBSCRIBE,
    action_ids.POLICY_REMOVE,
    action_ids.REQUEST_DECLINE,
)
_TYPED: Mapping[str, Mapping[str, Any]] = {
    action_ids.ABORT_MODAL: {"reason": "not needed", "suggestion": "Known to fail"},
    action_ids.START_MODAL: {"tag": "v1", "commit": "c0ffee", "message": "Try it", "variable_1": "A=b"},
    action_ids.SUBSCRIPTION_MODAL: {"more": "by:@me -by:bot", "results": ["Every failure"]},
    action_ids.FIND_MODAL: {"words": "#1"},
    action_ids.CHOOSE_APP_MODAL: {},
    action_ids.LOG_SEARCH_MODAL: {"word": "exception"},
    action_ids.SETTINGS_MODAL: {"name": "octo", "told": ["Mention me where my build fails"]},
    action_ids.CONNECT_MODAL: {"token": "bitpat_of-nobody-at-all"},
    action_ids.POLICY_MODAL: {
        "kind": "Needs a second person",
        "acts": ["Abort builds"],
        "who": "The people and groups below",
        "people": ["U0ANNA"],
        "branches": "release/*",
    },
}


@dataclass(frozen=True)
class RecordedPayload:
    """A payload as Slack sent it; `form` is its transport: `command`, `payload` or `""` for JSON."""

    name: str
    form: str
    payload: dict[str, Any]


async def play_scenario(target: FuzzHarness) -> list[RecordedPayload]:
    """Use everything once; returns the recorded payloads, one of each kind."""
    recorded = await ScenarioPlayer(target.harness, target.listening, target.planted).play()
    target.assert_no_errors(target.log_capture.take())
    assert target.leak_detector.violations() == [], "what nobody has changed breaks no rule"
    await target.assert_healthy()
    return recorded


class ScenarioPlayer:
    """Plays the users of a harness; `listening` says when the bot has handled a request."""

    def __init__(self, harness: BotHarness, listening: RequestTracker, planted: PlantedSecrets) -> None:
        self.harness = harness
        self._listening = listening
        self._planted = planted
        self._typed = {**_TYPED, **planted.typed}
        self._pressed: set[str] = set()

    async def play(self) -> list[RecordedPayload]:
        """Use everything once; returns the recorded payloads, one of each kind."""
        await self._prepare()
        await self._prepare_buildio()
        for words in COMMANDS:
            await self._type(words)
        for words in buildio_scenario.COMMANDS:
            before = self.harness.last()
            await self._type(words, "/buildio")
            if " unset " in words:
                await self._confirm_unset("builds", before)
            self._planted.restore()
        for words in SAID:
            self.harness.users.say("anna", "builds", f"@buildbell {words}")
            self.harness.users.say("anna", "D0ANNA", words)
            await self.wait_until_idle()
        await self._links()
        await self._shortcuts()
        await self._home()
        await self._decide_pending_actions()
        await self._press_everything(last=False)
        # What has become available.
        self._pressed -= {action_ids.ARTIFACT_LINK}
        for words in ("log android #7", "policy android", "subscriptions", "artifacts android #1"):
            await self._type(words)
        for words in (
            "link",
            "namespaces",
            "namespace acme-internal",
            "domains shop",
            "config shop",
            "app shop",
        ):
            await self._type(words, "/buildio")
            await self._press_everything(last=False)
            self._planted.restore()
        await self._press_everything(last=False)
        await self._press_everything(last=True)
        self._steps()
        self._send_lifecycle_events()
        await self.wait_until_idle()
        return self._recorded()

    async def wait_until_idle(self) -> None:
        """Wait until all requests are handled."""
        await asyncio.sleep(0.02)  # an event is delivered by a task of the simulator
        async with asyncio.timeout(30):
            await self._listening.drain()

    async def _prepare(self) -> None:
        bitrise = self.harness.bitrise
        self.harness.users.invite("builds")
        for number in range(MORE_APPS):
            app = bitrise.state.add_app(f"More {number}", "acme", f"more-{number}")
            bitrise.set_role("anna-berg", app, Role.OWNER)
        await self._type("subscribe android style:card")
        await self._type("subscribe ios")
        # Bitrise has all data of this app, and one of its logs is full of secrets.
        bitrise.android.has_log_summary = bitrise.android.has_ai_summary = True
        for result in ("success", "error"):
            bitrise.finish(bitrise.start_build(bitrise.android), result)
        text = f"step one\n{log_with_secrets()}\nFAILURE: Build failed\n{log_with_secrets()}\nexit code 1\n"
        bitrise.state.builds[1].log = lambda _now: text  # type: ignore[method-assign, assignment]
        for _ in range(12):
            bitrise.finish(bitrise.start_build(bitrise.ios))
        bitrise.start_pipeline(bitrise.android, stages=[["compile"], ["deploy"]])
        bitrise.finish(bitrise.start_build(bitrise.android), "error")
        bitrise.start_pipeline(bitrise.android, stages=[["compile"], ["deploy"]], plan={"compile": "error"})
        self.harness.clock.skip(timedelta(minutes=20))
        bitrise.state.advance(self.harness.clock())
        bitrise.start_running(bitrise.start_build(bitrise.android))
        for number in (12, 13):
            bitrise.add_build_request(bitrise.android, number)
        await self.harness.wait_for_message("waits for somebody's approval", person=None)
        await self.harness.wait_for_message("Broke with #2", person=None)

    async def _prepare_buildio(self) -> None:
        harness, buildio = self.harness, self.harness.buildio
        buildio.oauth_grants.expire(buildio.members["ben-okafor"])
        await self._type("teams", "/buildio", user="ben")
        await self._type("subscribe shop style:card", "/buildio")
        for app in ("shop", "shop-staging"):
            await self._type(f"link {app} to bitrise:android", "/buildio")
        # Two are offered by buttons, three by a list.
        await self.harness.users.click("anna", await self._card_with_deploy_links(), action_ids.DEPLOY_BUILD)
        await self._type("link shop-pr-42 to bitrise:android", "/buildio")
        await self._card_with_deploy_links()
        buildio.finish(buildio.shop)
        buildio.deploy(buildio.shop, description=log_with_secrets())
        buildio.finish(buildio.shop, error=log_with_secrets())
        await harness.wait_for_message("Deploying shop", person=None)
        buildio.crash(buildio.dyno(buildio.shop, "worker.1"))
        await harness.wait_for_message("worker.1", person=None)
        self._planted.restore()

    async def _card_with_deploy_links(self) -> Post:
        """Return the card of a build that can be deployed."""
        bitrise, before = self.harness.bitrise, self.harness.last()
        build = bitrise.start_build(bitrise.android, params={"commit_hash": COMMIT})
        bitrise.finish(build, "success")
        await self._type(f"build android #{build.number}")
        return await self.harness.wait_for_message(f"Sample Android #{build.number} succeeded", after=before)

    async def _type(
        self, words: str, command: str = "/bitrise", *, user: str = "anna", channel: str = "builds"
    ) -> None:
        await self.harness.users.command(user, channel, f"{command} {words}")
        await self.wait_until_idle()
        await self._fill_in_what_opened(user)

    async def _links(self) -> None:
        bitrise = self.harness.bitrise
        build, pipeline = bitrise.state.builds[0], bitrise.state.pipelines[0]
        artifact = build.artifacts[0].slug
        for path in (
            f"build/{build.slug}",
            f"build/{build.slug}?tab=artifacts",
            f"app/{bitrise.android.slug}",
            f"app/{bitrise.android.slug}/pipelines/{pipeline.slug}",
            f"artifact/{artifact}/p",
        ):
            self.harness.users.say("anna", "builds", f"see https://app.bitrise.io/{path}")
            await self.wait_until_idle()

    async def _shortcuts(self) -> None:
        for name in ("start_build", "find_build"):
            await self.harness.users.shortcut("anna", name)
            await self.wait_until_idle()
            await self._fill_in_what_opened("anna")
        about = next(
            post for post in self.harness.slack.posts("builds") if "app.bitrise.io/build" in post.text
        )
        await self.harness.users.shortcut("anna", "about_build", about)
        await self.wait_until_idle()
        await self._fill_in_what_opened("anna")

    async def _home(self) -> None:
        for tab in ("messages", "home"):
            self.harness.users.open_home("anna", tab=tab)
            await self.wait_until_idle()
        # On a busy machine the event may still be on its way.
        await self.harness.wait_until(lambda: "U0ANNA" in self.harness.slack.workspace.homes)
        for _ in range(20):  # each action may render it again
            for block_id, element in [
                *iterate_elements(self.harness.slack.workspace.homes["U0ANNA"]["blocks"])
            ]:
                await self._use("anna", block_id, element)

    async def _press_everything(self, *, last: bool) -> None:
        """Use one element of each kind on the existing messages, and on those that follow."""
        again = True
        while again:
            again = False
            for channel in ("builds", buildio_scenario.CAREFUL, "D0ANNA"):
                for post in self.harness.slack.posts(channel, "anna"):
                    again |= await self._press_new(post, last=last)

    async def _press_new(self, post: Post, *, last: bool) -> bool:
        """Use one new element of the message, which may change the message."""
        below = [block for attachment in post.attachments for block in attachment.get("blocks") or []]
        for block_id, element in iterate_elements([*post.blocks, *below]):
            name = element.get("action_id", "")
            kind = name.removesuffix("_next")
            if kind not in self._pressed and (kind in _LAST) is last:
                self._pressed.add(kind)
                self._planted.restore()  # an earlier action may have removed the subject of this one
                await self.harness.users.click("anna", post, name, _first_option(element), block_id=block_id)
                await self.wait_until_idle()
                await self._fill_in_what_opened("anna")
                return True
        return False

    async def _decide_pending_actions(self) -> None:
        """Request actions that need a second approver, and decide them."""
        for button in ("Agree", "Decline"):
            before = self.harness.last("builds", None)
            await self._type("trigger ios branch:main")
            asked = await self.harness.wait_for_message("Somebody else must agree", person=None, after=before)
            await self.harness.users.click("ben", asked, button)
            await self.wait_until_idle()
        careful = buildio_scenario.CAREFUL
        self.harness.users.invite(careful)
        for words in buildio_scenario.PROTECTED:
            before = self.harness.last(careful, None)
            await self._type(words, "/buildio", channel=careful)
            if " unset " in words:
                await self._confirm_unset(careful, before)
            asked = await self.harness.wait_for_message(
                "Somebody else must agree", person=None, channel=careful, after=before
            )
            await self.harness.users.click("ben", asked, "Agree")
            await self.wait_until_idle()

    async def _confirm_unset(self, channel: str, before: Post | None) -> None:
        """Request the removal of config vars, which needs a confirmation."""
        question = await self.harness.wait_for_message("can't be undone here", channel=channel, after=before)
        await self.harness.users.click("anna", question, "Remove")
        await self.wait_until_idle()

    def _steps(self) -> None:
        steps: Mapping[str, Mapping[str, Any]] = {
            "start_bitrise_build": {
                "app": "android",
                "branch": "main",
                "variables": "A=1\nB=2",
                "person": "U0BEN",
            },
            "wait_for_bitrise_build": {"app": "android", "build": "#1", "minutes": 5},
            "abort_bitrise_build": {"app": "android", "build": "#2", "reason": "no", "person": "U0ANNA"},
        }
        for name, inputs in steps.items():
            self.harness.users.run_step(name, inputs)

    def _send_lifecycle_events(self) -> None:
        """Send events about unrelated users and workspaces."""
        delivery = self.harness.slack.delivery
        envelope = {
            "type": "event_callback",
            "team_id": "T0ELSEWHERE",
            "event_id": "Ev0",
            "authorizations": [],
        }
        user = {"id": "U0CARLA", "team_id": "T0SANDBOX", "name": "carla", "deleted": False, "profile": {}}
        for number, inner in enumerate(
            (
                {"type": "user_change", "user": user},
                {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["U0BUILDBELL"]}},
                {"type": "app_uninstalled"},
            )
        ):
            delivery.event({**envelope, "event_id": f"Ev{number}", "event": inner})

    async def _fill_in_what_opened(self, user: str, *, below: OpenView | None = None) -> None:
        """Use every element of the modals on top of this one, submit them, and close them."""
        filled: list[OpenView] = []
        while (opened := self.harness.users.modal(user)) is not None and opened is not below:
            if opened not in filled:
                filled.append(opened)
                await self._fill_in(user, opened)
            if self.harness.users.modal(user) is opened:
                await self.harness.users.close_modal(user)

    async def _fill_in(self, user: str, opened: OpenView) -> None:
        people = self.harness.users
        if opened.view.get("callback_id") == action_ids.START_MODAL:
            for _ in range(2):
                await people.set_value(user, action_ids.START_ADD_VARIABLE)
                await self.wait_until_idle()
        if opened.view.get("callback_id") == action_ids.POLICY_MODAL:
            await people.set_value(user, action_ids.POLICY_KIND, "Needs a second person")
            await self.wait_until_idle()
        chosen = await self._choose(user, opened)
        for block_id, element in [*iterate_elements(opened.view["blocks"])]:
            await self._use(user, block_id, element)
        if "submit" in opened.view and people.modal(user) is opened:
            # With three stacked modals, the third is replaced by the next one.
            filled = dict(self._typed.get(str(opened.view.get("callback_id")), {})) | chosen
            there = {block["block_id"] for block in opened.view["blocks"]}
            await people.submit(user, {field: value for field, value in filled.items() if field in there})
            await self.wait_until_idle()

    async def _choose(self, user: str, opened: OpenView) -> dict[str, Any]:
        """Select the first option of each select menu in a modal."""
        chosen: dict[str, Any] = {}
        for block in list(opened.view["blocks"]):
            element = block.get("element") or {}
            if element.get("type") not in ("external_select", "multi_external_select"):
                continue
            name, where = element["action_id"], block["block_id"]
            offered = await self.harness.users.options(user, name, "", block_id=where)
            flat = [option for group in offered for option in (group.get("options") or [group])]
            if not flat:
                continue
            chosen[where] = flat[:1] if element["type"].startswith("multi") else flat[0]
            if block.get("dispatch_action"):
                await self.harness.users.set_value(user, name, chosen[where], block_id=where)
                await self.wait_until_idle()
        return chosen

    async def _use(self, user: str, block_id: str, element: Block) -> None:
        """Press a button of the top modal or of the Home, if it still exists and was not pressed before."""
        name, opened = element.get("action_id", ""), self.harness.users.modal(user)
        blocks = opened.view["blocks"] if opened else self.harness.slack.workspace.homes["U0ANNA"]["blocks"]
        there = [(block, one.get("action_id")) for block, one in iterate_elements(blocks)]
        if f"pane {name}" in self._pressed or (block_id, name) not in there or name in _LAST:
            return
        if element["type"] not in ("button", "external_select") or name == action_ids.START_ADD_VARIABLE:
            return
        self._pressed.add(f"pane {name}")
        given = None
        if element["type"] == "external_select":
            offered = await self.harness.users.options(user, name, "", block_id=block_id)
            given = offered[0] if offered else None
        await self.harness.users.set_value(user, name, given, block_id=block_id)
        await self.wait_until_idle()
        await self._fill_in_what_opened(user, below=opened)

    def _recorded(self) -> list[RecordedPayload]:
        found: dict[str, RecordedPayload] = {}
        for entry in self.harness.slack.request_log.entries:
            if entry.direction == "Slack → app":
                one = record_payload(entry.request)
                found.setdefault(one.name, one)
        return list(found.values())


def record_payload(payload: dict[str, Any]) -> RecordedPayload:
    """Return the payload under a name for its kind."""
    if "command" in payload:
        return RecordedPayload(f"command {payload['command']} {payload['text']}".rstrip(), "command", payload)
    inner = payload.get("event")
    if inner is not None:
        function = (inner.get("function") or {}).get("callback_id", "")
        return RecordedPayload(
            f"event {inner['type']} {function} {inner.get('text', '')}".strip(), "", payload
        )
    view = payload.get("view") or {}
    names = [action.get("action_id", "") for action in payload.get("actions") or []]
    names += [payload.get("action_id", ""), payload.get("callback_id", ""), view.get("callback_id", "")]
    place = "in a view" if view else "on a message"
    return RecordedPayload(" ".join([payload["type"], place, *filter(None, names)]), "payload", payload)


def _first_option(element: Block) -> Any:
    if element["type"] == "button":
        return None
    first = element["options"][0]["text"]["text"]
    return [first] if element["type"].startswith("multi") else first


SAID = (
    "status android",
    "help",
    "trigger",
    "connect",
    "build android #1",
    "buildio config shop",
    "buildio run shop -- ls",
    "buildio domains add shop",
    "buildio namespaces delete acme-internal",
)
COMMANDS = (
    "apps",
    "use android",
    "status",
    "builds android",
    "builds android status:failed branch:main since:2d",
    "builds ios",
    "build android #1",
    "build android #2",
    "log android #2",
    "artifacts android #1",
    "pipelines android",
    "pipeline android #1",
    "approvals android",
    "yml android",
    "yml android #1",
    "why android #1",
    "mine",
    "me name:octo ends:on",
    "subscribe android preview branch:main",
    "subscribe android status:failed branch:main,release/* by:@me quiet:22:00-7:00",
    "subscribe",
    "subscriptions",
    "trigger",
    "trigger android branch:main env:A=b message:hello",
    "rebuild android #1",
    "abort android #1 because",
    "use",
    "connect",
    "whoami",
    "policy android",
    "audit",
    "help subscribe",
    "",
    "stauts",
)
