"""Actions of users in a workspace."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.slack import payloads
from sandbox.slack.input_values import (
    InvalidInteraction,
    action_payload,
    find_element,
    iterate_elements,
    selected_state,
    view_state,
)
from sandbox.slack.message_actions import MessageActions
from sandbox.slack.models import FunctionExecution, OpenView, Post
from sandbox.slack.request_delivery import Acknowledgement, NotAcknowledged
from sandbox.slack.response_urls import apply_response
from sandbox.slack.users import User
from sandbox.slack.validation import SlackError, validate_options, validate_parameters, validate_view
from sandbox.slack.web_api_methods import MAX_VIEWS


@dataclass
class UserActions(MessageActions):
    """Acts as the users of one workspace; `events` sends what is no interaction to the app."""

    async def command(self, user_name: str, channel: str, text: str) -> Acknowledgement | None:
        """Send a slash command; returns None if the app did not acknowledge, and shows the error to the user."""
        user, conversation = self._find_active_user(user_name), self._find_open_channel(user_name, channel)
        name, _, rest = text.partition(" ")
        if self.installation() is None or name not in [
            command["command"] for command in self.manifest["features"].get("slash_commands") or []
        ]:
            raise InvalidInteraction(f"{name} is not a valid command.")
        response = self.handles.create_response_url(user.id, conversation.id)
        payload = payloads.slash_command(
            name,
            rest.strip(),
            user,
            conversation,
            trigger_id=self.handles.create_trigger(user.id),
            response_url=f"{self.base_url()}/response/{response}",
            source=self._source(),
        )
        try:
            acknowledgement = await self.delivery.command(payload)
        except NotAcknowledged as error:
            self._slackbot(conversation, user, f'{name} failed with the error "{error}"')
            return None
        if acknowledgement.body.get("text") or acknowledgement.body.get("blocks"):
            apply_response(self.workspace, self.handles.use_response_url(response), acknowledgement.body)
        return acknowledgement

    async def click(
        self, user_name: str, post: Post, button: str, value: Any = None, *, block_id: str | None = None
    ) -> Acknowledgement | None:
        """Use an element of a message, by text, label or action_id, and confirm its dialog.

        `block_id` distinguishes elements with the same name. Returns None without an acknowledgement, which Slack marks
        with a warning. The value of an input is sent with the next action.
        """
        user, conversation = self._find_active_user(user_name), self._channel_of(post)
        if post.only_for not in (None, user.id):
            raise InvalidInteraction(f"{user.name} cannot see this message")
        blocks = [
            *post.blocks,
            *(block for attachment in post.attachments for block in attachment.get("blocks") or []),
        ]
        found_block_id, element = find_element(blocks, button, block_id)
        if element["type"] != "button":
            post.selections[user.id, found_block_id, element.get("action_id", "")] = value
        if _dispatches_nothing(blocks, found_block_id):
            return None
        selections = {
            (block, name): selected
            for (user_id, block, name), selected in post.selections.items()
            if user_id == user.id
        }
        unfurled = _preview_url(post, found_block_id)
        response = self.handles.create_response_url(user.id, conversation.id, post.ts)
        payload = payloads.block_actions(
            user,
            action_payload(found_block_id, element, value),
            payloads.message_container(
                conversation,
                post,
                state=selected_state(blocks, selections, with_inputs=True),
                unfurled=unfurled,
            ),
            trigger_id=self.handles.create_trigger(user.id),
            response_url=f"{self.base_url()}/response/{response}",
            source=self._source(),
        )
        return await self._interact(payload, post.execution)

    async def set_value(
        self, user_name: str, element_name: str, value: Any = None, *, block_id: str | None = None
    ) -> Acknowledgement | None:
        """Use an element of the top modal, or of the Home if no modal is open."""
        user = self._find_active_user(user_name)
        opened = self.modal(user_name)
        blocks, view = self._current_view(user, opened)
        found_block_id, element = find_element(blocks, element_name, block_id)
        if opened is not None and any(
            block["block_id"] == found_block_id and block["type"] == "input" for block in blocks
        ):
            opened.entered[found_block_id] = value
        elif element["type"] != "button":
            selections = (
                opened.selections
                if opened is not None
                else self.workspace.home_selections.setdefault(user.id, {})
            )
            selections[found_block_id, element.get("action_id", "")] = value
        state = self._state(user, opened, blocks)
        payload = payloads.block_actions(
            user,
            action_payload(found_block_id, element, value),
            payloads.view_container({**view, "state": {"values": state}}),
            trigger_id=self.handles.create_trigger(user.id),
            source=self._source(),
        )
        return await self._interact(payload, opened.execution if opened is not None else None)

    async def options(
        self,
        user_name: str,
        element_name: str,
        typed: str,
        *,
        post: Post | None = None,
        block_id: str | None = None,
    ) -> list[Any]:
        """Return the options or option groups of an external select for the typed text."""
        user = self._find_active_user(user_name)
        if post is not None:
            blocks, container = post.blocks, payloads.message_container(self._channel_of(post), post)
        else:
            opened = self.modal(user_name)
            blocks, view = self._current_view(user, opened)
            container = payloads.view_container(
                {**view, "state": {"values": self._state(user, opened, blocks)}}
            )
        found_block_id, element = find_element(blocks, element_name, block_id)
        if len(typed) < element.get("min_query_length", 3):
            return []
        payload = payloads.block_suggestion(
            user, found_block_id, element, typed, container, source=self._source()
        )
        acknowledgement = await self._interact(payload)
        try:
            return validate_options(acknowledgement.body) if acknowledgement is not None else []
        except SlackError as error:
            self.request_log.violations.append(f"block_suggestion: {error}")
            return []

    async def shortcut(
        self, user_name: str, callback_id: str, post: Post | None = None
    ) -> Acknowledgement | None:
        """Run a shortcut of the manifest: a global one, or one for a message."""
        user = self._find_active_user(user_name)
        kind = "message" if post is not None else "global"
        offered = self.manifest["features"].get("shortcuts") or []
        if (callback_id, kind) not in [(item["callback_id"], item["type"]) for item in offered]:
            raise InvalidInteraction(f"there is no {kind} shortcut {callback_id}")
        source, trigger = self._source(), self.handles.create_trigger(user.id)
        if post is None:
            return await self._interact(
                payloads.shortcut(user, callback_id, trigger_id=trigger, source=source)
            )
        conversation = self._channel_of(post)
        response = self.handles.create_response_url(user.id, conversation.id)
        payload = payloads.message_shortcut(
            user,
            callback_id,
            conversation,
            post,
            trigger_id=trigger,
            response_url=f"{self.base_url()}/response/{response}",
            source=source,
        )
        return await self._interact(payload)

    def open_home(self, user_name: str, *, tab: str = "home") -> None:
        """Open the app's Home, or another of its tabs."""
        user = self._find_active_user(user_name)
        conversation = self._find_open_channel(user_name, f"D{user.id[1:]}")
        self._source()
        inner: dict[str, Any] = {
            "type": "app_home_opened",
            "user": user.id,
            "channel": conversation.id,
            "tab": tab,
        }
        if tab == "home" and user.id in self.workspace.homes:
            inner["view"] = self.workspace.home_json(user.id)
        self.events.send({**inner, "event_ts": self.workspace.new_ts()}, "app_home_opened")

    def run_step(self, function: str, inputs: Mapping[str, Any]) -> FunctionExecution:
        """Run one of the app's workflow steps.

        Raises InvalidInteraction for inputs that Workflow Builder refuses.
        """
        self._source()
        installation = self.installation()
        function_manifest = (self.manifest.get("functions") or {}).get(function)
        if function_manifest is None:
            raise InvalidInteraction(f"there is no step {function}")
        try:
            validate_parameters(inputs, function_manifest.get("input_parameters"))
        except SlackError as error:
            raise InvalidInteraction(str(error)) from error
        run = FunctionExecution(f"Fx{secrets.token_hex(6).upper()}", function, dict(inputs))
        if installation is not None:
            run.token = self.installations.issue_step_token(installation, run).text
        self.workspace.executions[run.id] = run
        self.events.send(
            payloads.function_executed(run, function_manifest, self.workspace.new_ts()), "function_executed"
        )
        self.workspace.notify_change()
        return run

    def modal(self, user_name: str) -> OpenView | None:
        """Return the top modal."""
        stack = self.workspace.views.get(self.workspace.find_user(user_name).id) or []
        return stack[-1] if stack else None

    async def submit(self, user_name: str, values: Mapping[str, Any] | None = None) -> Acknowledgement | None:
        """Fill in inputs by block_id (text, an option's text, or a list of them) and submit the modal."""
        user = self._find_active_user(user_name)
        opened = self.modal(user_name)
        if opened is None or "submit" not in opened.view:
            raise InvalidInteraction(f"{user.name} has no form to submit")
        opened.entered |= values or {}
        blocks = opened.view["blocks"]
        state = view_state(blocks, opened.entered, submitting=True) | selected_state(
            blocks, opened.selections
        )
        payload = payloads.view_submission(
            user,
            opened,
            state,
            trigger_id=self.handles.create_trigger(user.id),
            response_urls=self._response_urls(user, blocks, state),
            source=self._source(),
        )
        try:
            acknowledgement = await self.delivery.interaction(self._with_step(payload, opened.execution))
        except NotAcknowledged:
            opened.errors = {"": "We had some trouble connecting. Try again?"}
            self.workspace.notify_change()
            return None
        self._apply_response(user, opened, acknowledgement.body)
        return acknowledgement

    async def close_modal(self, user_name: str) -> None:
        """Close the top modal."""
        user = self._find_active_user(user_name)
        stack = self.workspace.views.get(user.id) or []
        if not stack:
            raise InvalidInteraction(f"{user.name} has no modal open")
        closed = stack.pop()
        self.workspace.notify_change()
        if closed.view.get("notify_on_close"):
            payload = payloads.view_closed(user, closed, is_cleared=False, source=self._source())
            await self.delivery.interaction(self._with_step(payload, closed.execution))

    def deactivate(self, user_name: str) -> None:
        """Deactivate an account: the user leaves all channels and can do nothing any more."""
        user = self.workspace.deactivate(self._find_active_user(user_name))
        installation = self.installation()
        if installation is None:
            return
        blocks = payloads.serialize_user(
            user,
            self.workspace.team,
            primary_owner=False,
            with_email="users:read.email" in installation.scopes,
            enterprise=self.workspace.enterprise,
        )
        ts = self.workspace.new_ts()
        inner = {"type": "user_change", "user": blocks, "cache_ts": int(float(ts)), "event_ts": ts}
        self.events.send(inner, "user_change")

    async def _interact(
        self, payload: Mapping[str, Any], run: FunctionExecution | None = None
    ) -> Acknowledgement | None:
        try:
            return await self.delivery.interaction(self._with_step(payload, run))
        except NotAcknowledged:
            return None

    def _with_step(self, payload: Mapping[str, Any], run: FunctionExecution | None) -> dict[str, Any]:
        """Return the payload with the workflow step of its message or modal, and a token for it."""
        installation = self.installation()
        if run is None or installation is None:
            return dict(payload)
        return {
            **payload,
            **payloads.step_fields(run, self.installations.issue_step_token(installation, run).text),
        }

    def _response_urls(
        self, user: User, blocks: list[dict[str, Any]], state: Mapping[str, Any]
    ) -> list[dict[str, str]]:
        """Return a response URL for each channel selected in a field with `response_url_enabled`."""
        found = []
        for block_id, element in iterate_elements(blocks):
            name = element.get("action_id", "")
            held = state.get(block_id, {}).get(name, {})
            channel = held.get("selected_conversation") or held.get("selected_channel")
            if element.get("response_url_enabled") and channel in self.workspace.channels:
                response = self.handles.create_response_url(user.id, channel)
                found.append(
                    {
                        "block_id": block_id,
                        "action_id": name,
                        "channel_id": channel,
                        "response_url": f"{self.base_url()}/response/{response}",
                    }
                )
        return found

    def _state(self, user: User, opened: OpenView | None, blocks: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the input values and selections of a modal or the Home."""
        if opened is None:
            return selected_state(blocks, self.workspace.home_selections.get(user.id, {}))
        return view_state(blocks, opened.entered) | selected_state(blocks, opened.selections)

    def _current_view(
        self, user: User, opened: OpenView | None
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        if opened is not None:
            return opened.view["blocks"], opened.to_json()
        home = self.workspace.homes.get(user.id)
        if home is None:
            raise InvalidInteraction(f"{user.name} has no modal or Home open")
        return home["blocks"], self.workspace.home_json(user.id)

    def _apply_response(self, user: User, opened: OpenView, body: Mapping[str, Any]) -> None:
        """Apply the app's response to a submission."""
        stack = self.workspace.views.get(user.id, [])
        try:
            match body.get("response_action"):
                case "errors":
                    inputs = {
                        block["block_id"] for block in opened.view["blocks"] if block["type"] == "input"
                    }
                    if unknown := set(body["errors"]) - inputs:
                        raise SlackError("invalid_arguments", f"no input block is named {', '.join(unknown)}")
                    opened.errors = dict(body["errors"])
                case "update":
                    opened.show(validate_view(body["view"]))
                case "push":
                    if len(stack) >= MAX_VIEWS:
                        raise SlackError("push_limit_reached")
                    opened.errors = {}
                    self.workspace.open_view(
                        user.id, validate_view(body["view"]), on_top=True, execution=opened.execution
                    )
                case "clear":
                    stack.clear()
                case None:
                    if opened in stack:
                        stack.remove(opened)
                case other:
                    raise SlackError("invalid_arguments", f"unknown response_action {other}")
        except SlackError as error:
            self.request_log.violations.append(f"view_submission: {error}")
            opened.errors = {"": "We had some trouble connecting. Try again?"}
        self.workspace.notify_change()


def _dispatches_nothing(blocks: list[dict[str, Any]], block_id: str) -> bool:
    """Return whether a block is an input without dispatch_action."""
    return any(
        block.get("block_id") == block_id and block["type"] == "input" and not block.get("dispatch_action")
        for block in blocks
    )


def _preview_url(post: Post, block_id: str) -> str | None:
    """Return the address of the preview that contains the block; None for a block of the message itself."""
    if any(block.get("block_id") == block_id for block in post.blocks):
        return None
    for attachment in post.attachments:
        if any(block.get("block_id") == block_id for block in attachment.get("blocks") or []):
            return str(attachment["from_url"]) if attachment.get("from_url") else None
    return None
