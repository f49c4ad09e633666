"""What people do in the workspace, and what they then see."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.slack import payloads
from sandbox.slack.checks import SlackError, check_view
from sandbox.slack.delivery import Delivered, Delivery, NotAcknowledged
from sandbox.slack.handles import Handles
from sandbox.slack.web_api import WebApi
from sandbox.slack.workspace import BOT_USER, TEAM, Channel, OpenView, Person, Post, Workspace, new_hash

_LINK = re.compile(r"https?://[^\s<>|]+")


class CannotDo(Exception):
    """Slack's own windows would not let a person do this."""


@dataclass
class People:
    """Acts as the people of the workspace."""

    workspace: Workspace
    delivery: Delivery
    handles: Handles
    api: WebApi
    manifest: Mapping[str, Any]
    base_url: str

    async def command(self, person: str, channel: str, text: str) -> Delivered | None:
        """Type a slash command, with its name; None where the app did not acknowledge, which the person is shown."""
        who, where = self.workspace.person(person), self._where(person, channel)
        name, _, rest = text.partition(" ")
        if name not in [one["command"] for one in self.manifest["features"].get("slash_commands") or []]:
            raise CannotDo(f"{name} is not a valid command.")
        response = self.handles.new_response(who.id, where.id)
        payload = payloads.slash_command(
            name,
            rest.strip(),
            who,
            where,
            trigger_id=self.handles.new_trigger(who.id),
            response_url=f"{self.base_url}/response/{response}",
        )
        try:
            delivered = await self.delivery.command(payload)
        except NotAcknowledged as error:
            self._slackbot(where, who, f'{name} failed with the error "{error}"')
            return None
        if delivered.body.get("text") or delivered.body.get("blocks"):
            self.api.take_response(self.handles.use_response(response), delivered.body)
        return delivered

    def say(self, person: str, channel: str, text: str, *, thread: str | None = None) -> Post:
        """Write a message; `@buildbell` in it mentions the bot."""
        who, where = self.workspace.person(person), self._where(person, channel)
        sent = _LINK.sub(lambda match: f"<{match[0]}>", html.escape(text, quote=False))
        sent = sent.replace("@buildbell", f"<@{BOT_USER}>")
        post = self.workspace.post(where, Post(self.workspace.new_ts(), who.id, sent, thread_ts=thread))
        inner: dict[str, Any] = {
            "user": who.id,
            "ts": post.ts,
            "text": sent,
            "team": TEAM,
            "channel": where.id,
            "event_ts": post.ts,
            "client_msg_id": post.ts,
        } | ({"thread_ts": thread} if thread else {})
        if where.kind == "im":
            self._event({"type": "message", "channel_type": "im", **inner}, "message.im")
        elif f"<@{BOT_USER}>" in sent:
            if BOT_USER in where.members:
                self._event({"type": "app_mention", **inner}, "app_mention")
            else:
                self._slackbot(where, who, "buildbell is not in this channel. /invite @buildbell")
        return post

    def invite(self, channel: str) -> None:
        """`/invite @buildbell`, which Slack itself answers."""
        self.workspace.channel(channel).members.add(BOT_USER)
        self.workspace.changed()

    async def click(self, person: str, post: Post, button: str) -> Delivered | None:
        """Press a button by its text or action_id, and say yes where it asks; None where nothing was acknowledged."""
        who, where = self.workspace.person(person), self._channel_of(post)
        if post.only_for not in (None, who.id):
            raise CannotDo(f"{who.name} does not see this message")
        block_id, element = find_element(post.blocks, button)
        pressed: dict[str, Any] = {
            "type": element["type"],
            "action_id": element.get("action_id", ""),
            "block_id": block_id,
            "text": element.get("text"),
            **{name: element[name] for name in ("value", "style", "url") if name in element},
        }
        response = self.handles.new_response(who.id, where.id, post.ts)
        payload = payloads.block_actions(
            who,
            where,
            post,
            pressed,
            trigger_id=self.handles.new_trigger(who.id),
            response_url=f"{self.base_url}/response/{response}",
        )
        try:
            return await self.delivery.interaction(payload)
        except NotAcknowledged:
            return None

    def modal(self, person: str) -> OpenView | None:
        """The modal on top."""
        stack = self.workspace.views.get(self.workspace.person(person).id) or []
        return stack[-1] if stack else None

    async def submit(self, person: str, values: Mapping[str, Any] | None = None) -> Delivered | None:
        """Fill in fields by block_id (text, an option's text, or a list of options' texts) and submit the modal."""
        who = self.workspace.person(person)
        opened = self.modal(person)
        if opened is None or "submit" not in opened.view:
            raise CannotDo(f"{who.name} has nothing to submit")
        opened.filled |= values or {}
        state = dict(_state(opened))
        payload = payloads.view_submission(who, opened, state, trigger_id=self.handles.new_trigger(who.id))
        try:
            delivered = await self.delivery.interaction(payload)
        except NotAcknowledged:
            opened.errors = {"": "We had some trouble connecting. Try again?"}
            self.workspace.changed()
            return None
        self._follow(who, opened, delivered.body)
        return delivered

    async def close_modal(self, person: str) -> None:
        """Close the modal on top."""
        who = self.workspace.person(person)
        stack = self.workspace.views.get(who.id) or []
        if not stack:
            raise CannotDo(f"{who.name} has no modal open")
        closed = stack.pop()
        self.workspace.changed()
        if closed.view.get("notify_on_close"):
            await self.delivery.interaction(payloads.view_closed(who, closed, is_cleared=False))

    def _follow(self, who: Person, opened: OpenView, body: Mapping[str, Any]) -> None:
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
                    opened.view, opened.hash = check_view(body["view"]), new_hash()
                case "push":
                    self.workspace.open_view(who.id, check_view(body["view"]), on_top=True)
                case "clear":
                    stack.clear()
                case None:
                    if opened in stack:
                        stack.remove(opened)
                case other:
                    raise SlackError("invalid_arguments", f"unknown response_action {other}")
        except SlackError as error:
            self.api.violations.append(f"view_submission: {error}")
            opened.errors = {"": "We had some trouble connecting. Try again?"}
        self.workspace.changed()

    def _event(self, inner: dict[str, Any], name: str) -> None:
        if name in (self.manifest["settings"].get("event_subscriptions") or {}).get("bot_events", []):
            self.delivery.event(payloads.event(inner))

    def _where(self, person: str, channel: str) -> Channel:
        where = self.workspace.channel(channel)
        if where.archived:
            raise CannotDo(f"#{where.name} is archived")
        if where.im_with and where.im_with != self.workspace.person(person).id:
            raise CannotDo("that is somebody else's direct message")
        return where

    def _channel_of(self, post: Post) -> Channel:
        return next(channel for channel in self.workspace.channels.values() if post in channel.posts)

    def _slackbot(self, channel: Channel, person: Person, words: str) -> None:
        self.workspace.post(channel, Post(self.workspace.new_ts(), "USLACKBOT", words, only_for=person.id))


def elements(blocks: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything in a message that can be pressed, with its block's id."""
    for block in blocks:
        if "accessory" in block:
            yield block["block_id"], block["accessory"]
        if block["type"] == "actions":
            for element in block["elements"]:
                yield block["block_id"], element


def find_element(blocks: list[dict[str, Any]], name: str) -> tuple[str, dict[str, Any]]:
    """The first thing to press whose text, label or action_id this is. Raises CannotDo."""
    for block_id, element in elements(blocks):
        names = (
            element.get("text", {}).get("text"),
            element.get("action_id"),
            element.get("accessibility_label"),
        )
        if name in names:
            return block_id, element
    there = ", ".join(element.get("text", {}).get("text", element["type"]) for _, element in elements(blocks))
    raise CannotDo(f"there is nothing called {name} to press; there is {there or 'nothing'}")


def _state(opened: OpenView) -> Iterator[tuple[str, dict[str, Any]]]:
    """The view's state from what was filled in, as Slack sends it. Raises CannotDo for what its fields refuse."""
    known = set()
    for block in opened.view["blocks"]:
        if block["type"] != "input":
            continue
        known.add(block["block_id"])
        element = block["element"]
        value = _field(element, opened.filled.get(block["block_id"]))
        if not any(value.values()) and not block.get("optional"):
            raise CannotDo(f"{block['label']['text']}: please complete this required field")
        yield block["block_id"], {element.get("action_id", ""): {"type": element["type"], **value}}
    if unknown := set(opened.filled) - known:
        raise CannotDo(f"the modal has no field {', '.join(unknown)}")


def _field(element: Mapping[str, Any], given: Any) -> dict[str, Any]:
    match element["type"]:
        case "plain_text_input":
            text = element.get("initial_value") if given is None else str(given)
            if text and len(text) > element.get("max_length", 3000):
                raise CannotDo("the text is too long for its field")
            return {"value": text or None}
        case "static_select" | "radio_buttons":
            chosen = element.get("initial_option") if given is None else _option(element, str(given))
            return {"selected_option": chosen}
        case "checkboxes" | "multi_static_select":
            several = (
                element.get("initial_options") or []
                if given is None
                else [_option(element, one) for one in given]
            )
            return {"selected_options": several}
    raise CannotDo(f"a field of type {element['type']} can't be filled in")


def _option(element: Mapping[str, Any], name: str) -> dict[str, Any]:
    for option in element["options"]:
        if name in (option["value"], option["text"]["text"]):
            return dict(option)
    raise CannotDo(f"there is no option {name}")
