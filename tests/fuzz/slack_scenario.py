"""A scenario that uses every listener of the bot, to record a payload of each kind."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from messages.kit import action_ids
from providers.bitrise import action_ids as bitrise_action_ids
from sandbox.bitrise.members import Role
from sandbox.slack.input_values import Block, iterate_elements
from sandbox.slack.models import OpenView, Post
from services.request.request_tracker import RequestTracker
from tests.fuzz import buildio_scenario
from tests.fuzz.buildio_scenario import COMMIT, PlantedSecrets
from tests.fuzz.fuzz_harness import FuzzHarness
from tests.support.bot_harness import BotHarness
from tests.support.canary_secrets import log_with_secrets

# More apps than one message shows.
MORE_APPS = 60
# Actions that make others impossible come last.
_LAST_ACTIONS = (
    action_ids.DISCONNECT,
    action_ids.WIPE_TOKEN,
    action_ids.UNSUBSCRIBE,
    action_ids.POLICY_REMOVE,
    bitrise_action_ids.REQUEST_DECLINE,
)
_FORM_VALUES: Mapping[str, Mapping[str, Any]] = {
    bitrise_action_ids.ABORT_MODAL: {"reason": "not needed", "suggestion": "Known failure"},
    bitrise_action_ids.START_MODAL: {
        "tag": "v1",
        "commit": "c0ffee",
        "message": "Try it",
        "variable_1": "A=b",
    },
    action_ids.SUBSCRIPTION_MODAL: {"more": "by:@me -by:bot", "results": ["All failures"]},
    bitrise_action_ids.FIND_MODAL: {"words": "#1"},
    action_ids.CHOOSE_APP_MODAL: {},
    bitrise_action_ids.LOG_SEARCH_MODAL: {"word": "exception"},
    action_ids.SETTINGS_MODAL: {"name": "octo", "told": ["Mentions when your build fails"]},
    action_ids.CONNECT_MODAL: {"token": "bitpat_of-nobody-at-all"},
    action_ids.POLICY_MODAL: {
        "kind": "Require approval",
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
    # Builds would end on a slow machine before somebody can follow their logs.
    with target.harness.clock.paused():
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
        self._typed = {**_FORM_VALUES, **planted.typed}
        self._pressed: set[str] = set()

    async def play(self) -> list[RecordedPayload]:
        """Use everything once; returns the recorded payloads, one of each kind."""
        await self._prepare()
        await self._prepare_buildio()
        for text in COMMANDS:
            await self._type(text)
        for text in buildio_scenario.COMMANDS:
            before = self.harness.last()
            await self._type(text, "/buildio")
            if " unset " in text:
                await self._confirm_unset("builds", before)
            self._planted.restore()
        for text in MENTIONS:
            self.harness.users.say("anna", "builds", f"@buildbell {text}")
            self.harness.users.say("anna", "D0ANNA", text)
            await self.wait_until_idle()
        await self._post_links()
        await self._use_shortcuts()
        await self._use_home()
        await self._decide_pending_actions()
        await self._use_all_elements(last=False)
        # Commands whose results have become available.
        self._pressed -= {bitrise_action_ids.ARTIFACT_LINK}
        for text in ("log android #7", "policy android", "subscriptions", "artifacts android #1"):
            await self._type(text)
        for text in (
            "link",
            "namespaces",
            "namespace acme-internal",
            "domains shop",
            "config shop",
            "app shop",
        ):
            await self._type(text, "/buildio")
            await self._use_all_elements(last=False)
            self._planted.restore()
        if action_ids.CARD_UNSNOOZE not in self._pressed:  # the card may have been edited only now
            await self.harness.wait_for_message("End snooze", person=None)
        await self._use_all_elements(last=False)
        await self._use_all_elements(last=True)
        # Somebody has disconnected their account, so the subscriptions that it allowed have stopped.
        await self.harness.wait_for_message("can resume", person=None)
        await self._use_all_elements(last=False)
        self._run_workflow_steps()
        self._send_lifecycle_events()
        await self.wait_until_idle()
        return self._recorded()

    async def wait_until_idle(self) -> None:
        """Wait until all events are delivered and all requests handled."""
        async with asyncio.timeout(30):
            await self.harness.slack.delivery.wait_for_events()
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
        await self.harness.wait_for_message("Approval needed to build", person=None)
        await self.harness.wait_for_message("First failure: #2", person=None)

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
        await harness.wait_for_message("Deployment of shop", person=None)
        buildio.crash(buildio.dyno(buildio.shop, "worker.1"))
        await harness.wait_for_message("worker.1", person=None)
        self._planted.restore()

    async def _card_with_deploy_links(self) -> Post:
        """Return the card of a build that can be deployed."""
        bitrise, before = self.harness.bitrise, self.harness.last()
        build = bitrise.start_build(bitrise.android, params={"commit_hash": COMMIT})
        bitrise.finish(build, "success")
        await self._type(f"build android #{build.number}")
        return await self.harness.wait_for_message(f"Sample Android #{build.number} passed", after=before)

    async def _type(
        self, text: str, command: str = "/bitrise", *, user: str = "anna", channel: str = "builds"
    ) -> None:
        await self.harness.users.command(user, channel, f"{command} {text}")
        await self.wait_until_idle()
        await self._fill_in_modals(user)

    async def _post_links(self) -> None:
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

    async def _use_shortcuts(self) -> None:
        for name in ("start_build", "find_build"):
            await self.harness.users.shortcut("anna", name)
            await self.wait_until_idle()
            await self._fill_in_modals("anna")
        message = next(
            post for post in self.harness.slack.posts("builds") if "app.bitrise.io/build" in post.text
        )
        await self.harness.users.shortcut("anna", "about_build", message)
        await self.wait_until_idle()
        await self._fill_in_modals("anna")

    async def _use_home(self) -> None:
        for tab in ("messages", "home"):
            self.harness.users.open_home("anna", tab=tab)
            await self.wait_until_idle()
        for _ in range(20):  # each action may render it again
            for block_id, element in [
                *iterate_elements(self.harness.slack.workspace.homes["U0ANNA"]["blocks"])
            ]:
                await self._press("anna", block_id, element)

    async def _use_all_elements(self, *, last: bool) -> None:
        """Use one element of each kind on the existing messages, and on those that follow."""
        found_new = True
        while found_new:
            found_new = False
            for channel in ("builds", buildio_scenario.CAREFUL, "D0ANNA"):
                for post in self.harness.slack.posts(channel, "anna"):
                    found_new |= await self._use_new_element(post, last=last)

    async def _use_new_element(self, post: Post, *, last: bool) -> bool:
        """Use one new element of the message, which may change the message."""
        below = [block for attachment in post.attachments for block in attachment.get("blocks") or []]
        for block_id, element in iterate_elements([*post.blocks, *below]):
            name = element.get("action_id", "")
            kind = name.removesuffix("_next")
            if kind not in self._pressed and (kind in _LAST_ACTIONS) is last:
                self._pressed.add(kind)
                self._planted.restore()  # an earlier action may have removed the subject of this one
                await self.harness.users.click("anna", post, name, _first_option(element), block_id=block_id)
                await self.wait_until_idle()
                await self._fill_in_modals("anna")
                return True
        return False

    async def _decide_pending_actions(self) -> None:
        """Request actions that need a second approver, and decide them."""
        for button in ("Approve", "Decline"):
            before = self.harness.last("builds", None)
            await self._type("trigger ios branch:main")
            request = await self.harness.wait_for_message("requests approval to", person=None, after=before)
            await self.harness.users.click("ben", request, button)
            await self.wait_until_idle()
        channel = buildio_scenario.CAREFUL
        self.harness.users.invite(channel)
        for text in buildio_scenario.PROTECTED:
            before = self.harness.last(channel, None)
            await self._type(text, "/buildio", channel=channel)
            if " unset " in text:
                await self._confirm_unset(channel, before)
            request = await self.harness.wait_for_message(
                "requests approval to", person=None, channel=channel, after=before
            )
            await self.harness.users.click("ben", request, "Approve")
            await self.wait_until_idle()

    async def _confirm_unset(self, channel: str, before: Post | None) -> None:
        """Request the removal of config vars, which needs a confirmation."""
        question = await self.harness.wait_for_message("can't be undone", channel=channel, after=before)
        await self.harness.users.click("anna", question, "Remove")
        await self.wait_until_idle()

    def _run_workflow_steps(self) -> None:
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

    async def _fill_in_modals(self, user: str, *, below: OpenView | None = None) -> None:
        """Use every element of the modals above `below`, submit them, and close them."""
        filled: list[OpenView] = []
        while (opened := self.harness.users.modal(user)) is not None and opened is not below:
            if opened not in filled:
                filled.append(opened)
                await self._fill_in(user, opened)
            if self.harness.users.modal(user) is opened:
                await self.harness.users.close_modal(user)

    async def _fill_in(self, user: str, opened: OpenView) -> None:
        users = self.harness.users
        if opened.view.get("callback_id") == bitrise_action_ids.START_MODAL:
            for _ in range(2):
                await users.set_value(user, bitrise_action_ids.START_ADD_VARIABLE)
                await self.wait_until_idle()
        if opened.view.get("callback_id") == action_ids.POLICY_MODAL:
            await users.set_value(user, action_ids.POLICY_KIND, "Require approval")
            await self.wait_until_idle()
        chosen = await self._select_options(user, opened)
        for block_id, element in [*iterate_elements(opened.view["blocks"])]:
            await self._press(user, block_id, element)
        if "submit" in opened.view and users.modal(user) is opened:
            # With three stacked modals, the third is replaced by the next one.
            filled = dict(self._typed.get(str(opened.view.get("callback_id")), {})) | chosen
            present = {block["block_id"] for block in opened.view["blocks"]}
            await users.submit(user, {field: value for field, value in filled.items() if field in present})
            await self.wait_until_idle()

    async def _select_options(self, user: str, opened: OpenView) -> dict[str, Any]:
        """Select the first option of each select menu in a modal."""
        chosen: dict[str, Any] = {}
        for block in list(opened.view["blocks"]):
            element = block.get("element") or {}
            if element.get("type") not in ("external_select", "multi_external_select"):
                continue
            name, block_id = element["action_id"], block["block_id"]
            options = await self.harness.users.options(user, name, "", block_id=block_id)
            flat_options = [option for group in options for option in (group.get("options") or [group])]
            if not flat_options:
                continue
            chosen[block_id] = flat_options[:1] if element["type"].startswith("multi") else flat_options[0]
            if block.get("dispatch_action"):
                await self.harness.users.set_value(user, name, chosen[block_id], block_id=block_id)
                await self.wait_until_idle()
        return chosen

    async def _press(self, user: str, block_id: str, element: Block) -> None:
        """Press a button of the top modal or of the Home, if it still exists and was not pressed before."""
        name, opened = element.get("action_id", ""), self.harness.users.modal(user)
        blocks = opened.view["blocks"] if opened else self.harness.slack.workspace.homes["U0ANNA"]["blocks"]
        present = [(block, item.get("action_id")) for block, item in iterate_elements(blocks)]
        if f"pane {name}" in self._pressed or (block_id, name) not in present or name in _LAST_ACTIONS:
            return
        if (
            element["type"] not in ("button", "external_select")
            or name == bitrise_action_ids.START_ADD_VARIABLE
        ):
            return
        self._pressed.add(f"pane {name}")
        option = None
        if element["type"] == "external_select":
            options = await self.harness.users.options(user, name, "", block_id=block_id)
            option = options[0] if options else None
        await self.harness.users.set_value(user, name, option, block_id=block_id)
        await self.wait_until_idle()
        await self._fill_in_modals(user, below=opened)

    def _recorded(self) -> list[RecordedPayload]:
        found: dict[str, RecordedPayload] = {}
        for entry in self.harness.slack.request_log.entries:
            if entry.direction == "Slack → app":
                recorded = record_payload(entry.request)
                found.setdefault(recorded.name, recorded)
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
    surface = "in a view" if view else "on a message"
    return RecordedPayload(" ".join([payload["type"], surface, *filter(None, names)]), "payload", payload)


def _first_option(element: Block) -> Any:
    if element["type"] == "button":
        return None
    first = element["options"][0]["text"]["text"]
    return [first] if element["type"].startswith("multi") else first


MENTIONS = (
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
