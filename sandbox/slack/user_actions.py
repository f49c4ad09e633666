"""What people do in the workspace, and what they then see."""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sandbox.request_log import RequestLog
from sandbox.slack import payloads
from sandbox.slack.events import Events, origin_of
from sandbox.slack.input_values import (
    InvalidInteraction,
    action_of,
    elements,
    find_element,
    selected_state,
    view_state,
)
from sandbox.slack.installations import Installation, Installations
from sandbox.slack.interaction_handles import InteractionHandles
from sandbox.slack.request_delivery import Acknowledgement, NotAcknowledged, RequestDelivery
from sandbox.slack.response_urls import apply_response
from sandbox.slack.users import User
from sandbox.slack.validation import SlackError, check_options, check_parameters, validate_view
from sandbox.slack.web_api_methods import MOST_VIEWS
from sandbox.slack.workspace import Channel, FunctionExecution, OpenView, Post, Workspace

_LINK = re.compile(r"https?://[^\s<>|]+")


@dataclass
class UserActions:
    """Acts as the people of one workspace; `events` tells the app of what is no interaction."""

    workspace: Workspace
    delivery: RequestDelivery
    handles: InteractionHandles
    journal: RequestLog
    manifest: Mapping[str, Any]
    base_url: Callable[[], str]
    installations: Installations
    events: Events

    async def command(self, person: str, channel: str, text: str) -> Acknowledgement | None:
        """Type a slash command, with its name; None where the app did not acknowledge, which the person is shown."""
        who, where = self._somebody(person), self._where(person, channel)
        name, _, rest = text.partition(" ")
        if self.installed() is None or name not in [
            one["command"] for one in self.manifest["features"].get("slash_commands") or []
        ]:
            raise InvalidInteraction(f"{name} is not a valid command.")
        response = self.handles.new_response(who.id, where.id)
        payload = payloads.slash_command(
            name,
            rest.strip(),
            who,
            where,
            trigger_id=self.handles.new_trigger(who.id),
            response_url=f"{self.base_url()}/response/{response}",
            origin=self._origin(),
        )
        try:
            delivered = await self.delivery.command(payload)
        except NotAcknowledged as error:
            self._slackbot(where, who, f'{name} failed with the error "{error}"')
            return None
        if delivered.body.get("text") or delivered.body.get("blocks"):
            apply_response(self.workspace, self.handles.use_response(response), delivered.body)
        return delivered

    def say(self, person: str, channel: str, text: str, *, thread: str | None = None) -> Post:
        """Write a message; `@` and the bot's name in it mention the bot."""
        who, where = self._somebody(person), self._where(person, channel)
        sent = _LINK.sub(lambda match: f"<{match[0]}>", html.escape(text, quote=False))
        sent = sent.replace(f"@{self.workspace.bot.name}", f"<@{self.workspace.bot_user}>")
        post = self.workspace.post(where, Post(self.workspace.new_ts(), who.id, sent, thread_ts=thread))
        self._links(who, where, post, sent)
        if where.kind != "im" and f"<@{self.workspace.bot_user}>" in sent:
            if self.workspace.bot_user in where.members:
                inner = {**self.events.message(where, post), "type": "app_mention", "event_ts": post.ts}
                del inner["channel_type"]
                self.events.send(inner, "app_mention", shared_outside=where.shared_outside)
            else:
                bot = self.workspace.bot.name
                self._slackbot(where, who, f"{bot} is not in this channel. /invite @{bot}")
        return post

    def edit(self, person: str, post: Post, text: str) -> None:
        """Change one's own message."""
        where = self._channel_of_own(person, post)
        self.workspace.edit(where, post, text=html.escape(text, quote=False), edited=True)

    def delete(self, person: str, post: Post) -> None:
        """Delete one's own message."""
        where = self._channel_of_own(person, post)
        self.workspace.remove(where, post)

    def react(self, person: str, post: Post, emoji: str) -> None:
        """React to a message, or take the reaction back where it is there already."""
        who, where = self._somebody(person), self._channel_of(post)
        name = emoji.strip(":")
        if not self.workspace.react(where, post, who.id, name):
            self.workspace.unreact(where, post, who.id, name)

    def join(self, person: str, channel: str) -> None:
        """Enter a channel."""
        self.workspace.join(self._where(person, channel), self._somebody(person).id)

    def leave_channel(self, person: str, channel: str) -> None:
        """Leave a channel."""
        self.workspace.leave(self._where(person, channel), self._somebody(person).id)

    def invite(self, channel: str) -> None:
        """`/invite` with the bot's name, which Slack itself answers."""
        self._origin()
        self.workspace.join(self.workspace.channel(channel), self.workspace.bot_user)

    async def click(
        self, person: str, post: Post, button: str, given: Any = None, *, block_id: str | None = None
    ) -> Acknowledgement | None:
        """Use an element of a message, named by text, label or action_id, and say yes where it asks.

        `block_id` tells elements of the same name apart. None where nothing was acknowledged: Slack marks the element
        with a warning. What is filled into an input is sent along with the next thing that is pressed.
        """
        who, where = self._somebody(person), self._channel_of(post)
        if post.only_for not in (None, who.id):
            raise InvalidInteraction(f"{who.name} does not see this message")
        shown = [*post.blocks, *(block for one in post.attachments for block in one.get("blocks") or [])]
        found_in, element = find_element(shown, button, block_id)
        if element["type"] != "button":
            post.chosen[who.id, found_in, element.get("action_id", "")] = given
        if _is_quiet(shown, found_in):
            return None
        chosen = {(block, name): value for (one, block, name), value in post.chosen.items() if one == who.id}
        unfurled = _unfurled(post, found_in)
        response = self.handles.new_response(who.id, where.id, post.ts)
        payload = payloads.block_actions(
            who,
            action_of(found_in, element, given),
            payloads.on_message(
                where, post, state=selected_state(shown, chosen, with_inputs=True), unfurled=unfurled
            ),
            trigger_id=self.handles.new_trigger(who.id),
            response_url=f"{self.base_url()}/response/{response}",
            origin=self._origin(),
        )
        return await self._interact(payload, post.run)

    async def set_value(
        self, person: str, element_name: str, given: Any = None, *, block_id: str | None = None
    ) -> Acknowledgement | None:
        """Use an element of the modal on top, or of the Home where no modal is open."""
        who = self._somebody(person)
        opened = self.modal(person)
        blocks, view = self._view_of(who, opened)
        found_in, element = find_element(blocks, element_name, block_id)
        if opened is not None and any(
            block["block_id"] == found_in and block["type"] == "input" for block in blocks
        ):
            opened.filled[found_in] = given
        elif element["type"] != "button":
            kept = (
                opened.chosen if opened is not None else self.workspace.chosen_at_home.setdefault(who.id, {})
            )
            kept[found_in, element.get("action_id", "")] = given
        state = self._state(who, opened, blocks)
        payload = payloads.block_actions(
            who,
            action_of(found_in, element, given),
            payloads.on_view({**view, "state": {"values": state}}),
            trigger_id=self.handles.new_trigger(who.id),
            origin=self._origin(),
        )
        return await self._interact(payload, opened.run if opened is not None else None)

    async def options(
        self,
        person: str,
        element_name: str,
        typed: str,
        *,
        post: Post | None = None,
        block_id: str | None = None,
    ) -> list[Any]:
        """What an external select offers for what was typed: options, or groups of them."""
        who = self._somebody(person)
        if post is not None:
            blocks, place = post.blocks, payloads.on_message(self._channel_of(post), post)
        else:
            opened = self.modal(person)
            blocks, view = self._view_of(who, opened)
            place = payloads.on_view({**view, "state": {"values": self._state(who, opened, blocks)}})
        found_in, element = find_element(blocks, element_name, block_id)
        if len(typed) < element.get("min_query_length", 3):
            return []
        payload = payloads.block_suggestion(who, found_in, element, typed, place, origin=self._origin())
        delivered = await self._interact(payload)
        try:
            return check_options(delivered.body) if delivered is not None else []
        except SlackError as error:
            self.journal.violations.append(f"block_suggestion: {error}")
            return []

    async def shortcut(
        self, person: str, callback_id: str, post: Post | None = None
    ) -> Acknowledgement | None:
        """Choose a shortcut of the manifest: a global one, or one of a message."""
        who = self._somebody(person)
        kind = "message" if post is not None else "global"
        offered = self.manifest["features"].get("shortcuts") or []
        if (callback_id, kind) not in [(one["callback_id"], one["type"]) for one in offered]:
            raise InvalidInteraction(f"there is no {kind} shortcut {callback_id}")
        origin, trigger = self._origin(), self.handles.new_trigger(who.id)
        if post is None:
            return await self._interact(
                payloads.shortcut(who, callback_id, trigger_id=trigger, origin=origin)
            )
        where = self._channel_of(post)
        response = self.handles.new_response(who.id, where.id)
        payload = payloads.message_shortcut(
            who,
            callback_id,
            where,
            post,
            trigger_id=trigger,
            response_url=f"{self.base_url()}/response/{response}",
            origin=origin,
        )
        return await self._interact(payload)

    def open_home(self, person: str, *, tab: str = "home") -> None:
        """Look at the app's Home, or at another of its tabs."""
        who = self._somebody(person)
        where = self._where(person, f"D{who.id[1:]}")
        self._origin()
        inner: dict[str, Any] = {"type": "app_home_opened", "user": who.id, "channel": where.id, "tab": tab}
        if tab == "home" and who.id in self.workspace.homes:
            inner["view"] = self.workspace.home_as_slack_sends_it(who.id)
        self.events.send({**inner, "event_ts": self.workspace.new_ts()}, "app_home_opened")

    def run_step(self, function: str, inputs: Mapping[str, Any]) -> FunctionExecution:
        """Let a workflow come to one of the app's steps.

        Raises InvalidInteraction for inputs that Workflow Builder refuses.
        """
        self._origin()
        installation = self.installed()
        known = (self.manifest.get("functions") or {}).get(function)
        if known is None:
            raise InvalidInteraction(f"there is no step {function}")
        try:
            check_parameters(inputs, known.get("input_parameters"))
        except SlackError as error:
            raise InvalidInteraction(str(error)) from error
        run = FunctionExecution(f"Fx{secrets.token_hex(6).upper()}", function, dict(inputs))
        if installation is not None:
            run.token = self.installations.for_step(installation, run).text
        self.workspace.runs[run.id] = run
        self.events.send(payloads.function_executed(run, known, self.workspace.new_ts()), "function_executed")
        self.workspace.changed()
        return run

    def modal(self, person: str) -> OpenView | None:
        """The modal on top."""
        stack = self.workspace.views.get(self.workspace.person(person).id) or []
        return stack[-1] if stack else None

    async def submit(self, person: str, values: Mapping[str, Any] | None = None) -> Acknowledgement | None:
        """Fill in fields by block_id (text, an option's text, or a list of options' texts) and submit the modal."""
        who = self._somebody(person)
        opened = self.modal(person)
        if opened is None or "submit" not in opened.view:
            raise InvalidInteraction(f"{who.name} has nothing to submit")
        opened.filled |= values or {}
        blocks = opened.view["blocks"]
        state = view_state(blocks, opened.filled, submitting=True) | selected_state(blocks, opened.chosen)
        payload = payloads.view_submission(
            who,
            opened,
            state,
            trigger_id=self.handles.new_trigger(who.id),
            response_urls=self._response_urls(who, blocks, state),
            origin=self._origin(),
        )
        try:
            delivered = await self.delivery.interaction(self._with_step(payload, opened.run))
        except NotAcknowledged:
            opened.errors = {"": "We had some trouble connecting. Try again?"}
            self.workspace.changed()
            return None
        self._follow(who, opened, delivered.body)
        return delivered

    async def close_modal(self, person: str) -> None:
        """Close the modal on top."""
        who = self._somebody(person)
        stack = self.workspace.views.get(who.id) or []
        if not stack:
            raise InvalidInteraction(f"{who.name} has no modal open")
        closed = stack.pop()
        self.workspace.changed()
        if closed.view.get("notify_on_close"):
            payload = payloads.view_closed(who, closed, is_cleared=False, origin=self._origin())
            await self.delivery.interaction(self._with_step(payload, closed.run))

    def leave(self, person: str) -> None:
        """Somebody's account is deactivated: they are gone from every channel, and can do nothing any more."""
        gone = self.workspace.deactivate(self._somebody(person))
        installation = self.installed()
        if installation is None:
            return
        shown = payloads.user(
            gone,
            self.workspace.team,
            primary_owner=False,
            with_email="users:read.email" in installation.scopes,
            enterprise=self.workspace.enterprise,
        )
        ts = self.workspace.new_ts()
        inner = {"type": "user_change", "user": shown, "cache_ts": int(float(ts)), "event_ts": ts}
        self.events.send(inner, "user_change")

    def installed(self) -> Installation | None:
        """How the app is installed here; None where it is not."""
        return self.installations.of(self.workspace)

    async def _interact(
        self, payload: Mapping[str, Any], run: FunctionExecution | None = None
    ) -> Acknowledgement | None:
        try:
            return await self.delivery.interaction(self._with_step(payload, run))
        except NotAcknowledged:
            return None

    def _with_step(self, payload: Mapping[str, Any], run: FunctionExecution | None) -> dict[str, Any]:
        """The payload, with the step that the message or modal was made for, and a token for it."""
        installation = self.installed()
        if run is None or installation is None:
            return dict(payload)
        return {**payload, **payloads.in_a_step(run, self.installations.for_step(installation, run).text)}

    def _response_urls(
        self, who: User, blocks: list[dict[str, Any]], state: Mapping[str, Any]
    ) -> list[dict[str, str]]:
        """An address for each channel that was chosen in a field with `response_url_enabled`."""
        found = []
        for block_id, element in elements(blocks):
            name = element.get("action_id", "")
            held = state.get(block_id, {}).get(name, {})
            channel = held.get("selected_conversation") or held.get("selected_channel")
            if element.get("response_url_enabled") and channel in self.workspace.channels:
                response = self.handles.new_response(who.id, channel)
                found.append(
                    {
                        "block_id": block_id,
                        "action_id": name,
                        "channel_id": channel,
                        "response_url": f"{self.base_url()}/response/{response}",
                    }
                )
        return found

    def _state(self, who: User, opened: OpenView | None, blocks: list[dict[str, Any]]) -> dict[str, Any]:
        """What is filled in and chosen in a modal, or on the Home."""
        if opened is None:
            return selected_state(blocks, self.workspace.chosen_at_home.get(who.id, {}))
        return view_state(blocks, opened.filled) | selected_state(blocks, opened.chosen)

    def _view_of(self, who: User, opened: OpenView | None) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        if opened is not None:
            return opened.view["blocks"], opened.as_slack_sends_it()
        home = self.workspace.homes.get(who.id)
        if home is None:
            raise InvalidInteraction(f"{who.name} has neither a modal nor a Home before them")
        return home["blocks"], self.workspace.home_as_slack_sends_it(who.id)

    def _follow(self, who: User, opened: OpenView, body: Mapping[str, Any]) -> None:
        """Do what the app answered to a submission."""
        stack = self.workspace.views.get(who.id, [])
        try:
            match body.get("response_action"):
                case "errors":
                    inputs = {
                        block["block_id"] for block in opened.view["blocks"] if block["type"] == "input"
                    }
                    if unknown := set(body["errors"]) - inputs:
                        raise SlackError(
                            "invalid_arguments", f"no input block is called {', '.join(unknown)}"
                        )
                    opened.errors = dict(body["errors"])
                case "update":
                    opened.show(validate_view(body["view"]))
                case "push":
                    if len(stack) >= MOST_VIEWS:
                        raise SlackError("push_limit_reached")
                    opened.errors = {}
                    self.workspace.open_view(who.id, validate_view(body["view"]), on_top=True, run=opened.run)
                case "clear":
                    stack.clear()
                case None:
                    if opened in stack:
                        stack.remove(opened)
                case other:
                    raise SlackError("invalid_arguments", f"unknown response_action {other}")
        except SlackError as error:
            self.journal.violations.append(f"view_submission: {error}")
            opened.errors = {"": "We had some trouble connecting. Try again?"}
        self.workspace.changed()

    def _links(self, who: User, where: Channel, post: Post, sent: str) -> None:
        """Tell the app of links to the domains that it wants to unfurl."""
        domains = self.manifest["features"].get("unfurl_domains") or []
        links = [
            {"url": url, "domain": host}
            for url in re.findall(r"<(https?://[^|>]+)", sent)
            if (host := urlsplit(url).hostname or "") in domains
            or any(host.endswith(f".{one}") for one in domains)
        ]
        if links:
            inner = {
                "type": "link_shared",
                "channel": where.id,
                "is_bot_user_member": self.workspace.bot_user in where.members,
                "user": who.id,
                "message_ts": post.ts,
                "links": links,
                "source": "conversations_history",
                "unfurl_id": f"{where.id}-{post.ts}",
                "event_ts": post.ts,
            }
            self.events.send(inner, "link_shared", shared_outside=where.shared_outside)

    def _origin(self) -> payloads.PayloadSource:
        """Where what people do here comes from. Raises InvalidInteraction where the app is not installed."""
        installation = self.installed()
        if installation is None:
            raise InvalidInteraction(f"{self.workspace.bot.name} is not installed in {self.workspace.name}")
        return origin_of(self.workspace, org_wide=installation.org_wide)

    def _somebody(self, name: str) -> User:
        who = self.workspace.person(name)
        if who.deleted:
            raise InvalidInteraction(f"{who.name} has left {self.workspace.name}")
        return who

    def _where(self, person: str, channel: str) -> Channel:
        where = self.workspace.channel(channel)
        if where.archived:
            raise InvalidInteraction(f"#{where.name} is archived")
        if where.im_with and where.im_with != self.workspace.person(person).id:
            raise InvalidInteraction("that is somebody else's direct message")
        return where

    def _channel_of(self, post: Post) -> Channel:
        return next(channel for channel in self.workspace.channels.values() if post in channel.posts)

    def _channel_of_own(self, person: str, post: Post) -> Channel:
        who = self._somebody(person)
        if post.user != who.id:
            raise InvalidInteraction(f"this is not {who.name}'s message")
        return self._channel_of(post)

    def _slackbot(self, channel: Channel, person: User, words: str) -> None:
        self.workspace.post(channel, Post(self.workspace.new_ts(), "USLACKBOT", words, only_for=person.id))


def _is_quiet(blocks: list[dict[str, Any]], block_id: str) -> bool:
    """Whether a block is an input that tells the app nothing until something is pressed."""
    return any(
        one.get("block_id") == block_id and one["type"] == "input" and not one.get("dispatch_action")
        for one in blocks
    )


def _unfurled(post: Post, block_id: str) -> str | None:
    """The address whose preview holds the block; None for a block of the message itself."""
    if any(block.get("block_id") == block_id for block in post.blocks):
        return None
    for one in post.attachments:
        if any(block.get("block_id") == block_id for block in one.get("blocks") or []):
            return str(one["from_url"]) if one.get("from_url") else None
    return None
