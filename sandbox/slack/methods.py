"""The Web API methods that the bot uses, each with the errors that its page on docs.slack.dev names."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.slack import payloads
from sandbox.slack.checks import SlackError, check_blocks, check_parameters, check_view
from sandbox.slack.handles import Handles
from sandbox.slack.installations import Installation
from sandbox.slack.workspace import Channel, OpenView, Post, StepRun, Upload, Workspace, new_hash

LONGEST_TEXT = 40_000
MOST_VIEWS = 3
MOST_ATTACHMENTS = 100

Arguments = Mapping[str, Any]


@dataclass
class Methods:
    """Answers the methods in one workspace, for one installation of the app.

    `base_url` is where the workspace itself is reached, `reach` holds every workspace of the token's.
    """

    workspace: Workspace
    handles: Handles
    installation: Installation
    base_url: Callable[[], str]
    reach: Sequence[Workspace] = ()
    home_enabled: bool = False
    functions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scopes(self) -> frozenset[str]:
        """What the token may do."""
        return self.installation.scopes

    @scopes.setter
    def scopes(self, scopes: frozenset[str]) -> None:
        self.installation.scopes = scopes

    def auth_test(self, _: Arguments) -> dict[str, Any]:
        """auth.test: of an organisation's token, the organisation."""
        workspace, enterprise = self.workspace, self.workspace.enterprise
        whole = enterprise if self.installation.org_wide else None
        return {
            "url": f"{self.base_url()}/",
            "team": whole.name if whole else workspace.name,
            "user": workspace.bot.name,
            "team_id": whole.id if whole else workspace.team,
            "user_id": workspace.bot_user,
            "bot_id": workspace.bot_id,
            "is_enterprise_install": whole is not None,
            **({"enterprise_id": enterprise.id} if enterprise else {}),
        }

    def users_info(self, arguments: Arguments) -> dict[str, Any]:
        """users.info."""
        person = self.workspace.people.get(_needed(arguments, "user", "user_not_found"))
        if person is None:
            raise SlackError("user_not_found")
        owners = [one.id for one in self.workspace.people.values() if one.owner and not one.deleted]
        shown = payloads.user(
            person,
            self.workspace.team,
            primary_owner=person.id in owners[:1],
            with_email="users:read.email" in self.scopes,
            enterprise=self.workspace.enterprise,
        )
        return {"user": shown}

    def usergroups_list(self, arguments: Arguments) -> dict[str, Any]:
        """usergroups.list."""
        found = []
        for group in self.workspace.groups.values():
            if group.date_delete and not _true(arguments.get("include_disabled")):
                continue
            shown = payloads.user_group(group, self.workspace.team)
            if _true(arguments.get("include_users")):
                shown["users"] = list(group.users)
            if _true(arguments.get("include_count")):
                shown["user_count"] = len(group.users)
            found.append(shown)
        return {"usergroups": found}

    def usergroups_users_list(self, arguments: Arguments) -> dict[str, Any]:
        """usergroups.users.list."""
        group = self.workspace.groups.get(_needed(arguments, "usergroup", "no_such_subteam"))
        if group is None or (group.date_delete and not _true(arguments.get("include_disabled"))):
            raise SlackError("no_such_subteam")
        return {"users": list(group.users)}

    def chat_post_message(self, arguments: Arguments) -> dict[str, Any]:
        """chat.postMessage."""
        channel = self._channel_to_post_in(arguments)
        text, blocks = _content(arguments)
        thread = arguments.get("thread_ts")
        if thread and channel.find(str(thread)) is None:
            raise SlackError("thread_not_found")
        post = Post(
            self.workspace.new_ts(),
            self.workspace.bot_user,
            text,
            blocks,
            metadata=_metadata(arguments),
            thread_ts=str(thread) if thread else None,
            by_bot=True,
            broadcast=bool(thread) and _true(arguments.get("reply_broadcast")),
            attachments=_attachments(arguments),
        )
        self.workspace.post(channel, post)
        return {"channel": channel.id, "ts": post.ts, "message": post.as_slack_sends_it(with_metadata=True)}

    def chat_post_ephemeral(self, arguments: Arguments) -> dict[str, Any]:
        """chat.postEphemeral."""
        channel = self._channel_to_post_in(arguments)
        person = _needed(arguments, "user", "user_not_in_channel")
        if person not in channel.members:
            raise SlackError("user_not_in_channel")
        text, blocks = _content(arguments)
        thread = arguments.get("thread_ts")
        post = Post(
            self.workspace.new_ts(),
            self.workspace.bot_user,
            text,
            blocks,
            only_for=person,
            by_bot=True,
            thread_ts=str(thread) if thread else None,
        )
        self.workspace.post(channel, post)
        return {"message_ts": post.ts}

    def chat_update(self, arguments: Arguments) -> dict[str, Any]:
        """chat.update."""
        channel = self._visible_channel(arguments)
        post = channel.find(_needed(arguments, "ts", "message_not_found"))
        if post is None or post.only_for is not None:
            raise SlackError("message_not_found")
        if not post.by_bot:
            raise SlackError("cant_update_message")
        post.text, post.blocks = _content(arguments)
        post.attachments = _attachments(arguments)
        post.edited = True
        self.workspace.touch(post)
        return {"channel": channel.id, "ts": post.ts, "text": post.text, "message": post.as_slack_sends_it()}

    def conversations_open(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.open: the direct message with one person."""
        person = _needed(arguments, "users", "users_list_not_supplied")
        if person in self.workspace.people and self.workspace.people[person].deleted:
            raise SlackError("user_disabled")
        channel = next((one for one in self.workspace.channels.values() if one.im_with == person), None)
        if channel is None:
            raise SlackError("user_not_found")
        return {"channel": {"id": channel.id}}

    def conversations_info(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.info."""
        channel = self._visible_channel(arguments)
        needed = {"im": "im:read", "group": "groups:read"}.get(channel.kind, "channels:read")
        if needed not in self.scopes:
            raise SlackError("missing_scope", needed=needed, provided=",".join(sorted(self.scopes)))
        return {"channel": self._conversation(channel)}

    def _conversation(self, channel: Channel) -> dict[str, Any]:
        """A channel as Slack describes it."""
        if channel.im_with:
            return {"id": channel.id, "is_im": True, "user": channel.im_with, "is_archived": False}
        return {
            "id": channel.id,
            "name": channel.name,
            "is_channel": True,
            "is_archived": channel.archived,
            "is_private": channel.private,
            "is_member": self.workspace.bot_user in channel.members,
            "is_ext_shared": channel.shared_outside,
        }

    def conversations_join(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.join: public channels alone; who is there already is told so as a warning."""
        channel = self._visible_channel(arguments)
        if channel.kind != "channel":
            raise SlackError("method_not_supported_for_channel_type")
        if channel.archived:
            raise SlackError("is_archived")
        already = self.workspace.bot_user in channel.members
        channel.members.add(self.workspace.bot_user)
        self.workspace.changed()
        warning = "already_in_channel"
        told = {"warning": warning, "response_metadata": {"warnings": [warning]}} if already else {}
        return {"channel": self._conversation(channel), **told}

    def users_conversations(self, arguments: Arguments) -> dict[str, Any]:
        """users.conversations: a person's channels; private ones only where the bot is in them, too."""
        person = str(arguments.get("user") or self.workspace.bot_user)
        if person not in (*self.workspace.people, self.workspace.bot_user):
            raise SlackError("user_not_found")
        wanted = str(arguments.get("types") or "public_channel").split(",")
        kinds = {"public_channel": "channel", "private_channel": "group", "im": "im"}
        scopes = {"public_channel": "channels:read", "private_channel": "groups:read", "im": "im:read"}
        for one in wanted:
            if scopes.get(one, "mpim:read") not in self.scopes:
                raise SlackError("missing_scope", needed=scopes.get(one, "mpim:read"))
        found = [
            {"id": one.id, "name": one.name, "is_private": one.private, "is_archived": one.archived}
            for one in self.workspace.channels.values()
            if one.kind in {kinds.get(kind) for kind in wanted}
            and person in one.members
            and (not one.private or self.workspace.bot_user in one.members)
            and not (one.archived and _true(arguments.get("exclude_archived")))
        ]
        start, limit = _cursor(arguments), int(arguments.get("limit") or 100)
        more = {"next_cursor": f"at:{start + limit}"} if start + limit < len(found) else {"next_cursor": ""}
        return {"channels": found[start : start + limit], "response_metadata": more}

    def conversations_history(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.history: newest first, without the replies of threads; only where the bot is a member."""
        channel = self._readable_channel(arguments)
        found = [
            post
            for post in reversed(channel.posts)
            if post.only_for is None and (post.thread_ts in (None, post.ts) or post.broadcast)
        ]
        return self._read(found, arguments)

    def conversations_replies(self, arguments: Arguments) -> dict[str, Any]:
        """conversations.replies: a thread, its head first."""
        channel = self._readable_channel(arguments)
        head = _needed(arguments, "ts", "thread_not_found")
        if channel.find(head) is None:
            raise SlackError("thread_not_found")
        found = [
            post for post in channel.posts if post.only_for is None and head in (post.ts, post.thread_ts)
        ]
        return self._read(found, arguments)

    def _readable_channel(self, arguments: Arguments) -> Channel:
        channel = self._visible_channel(arguments)
        needed = {"im": "im:history", "group": "groups:history"}.get(channel.kind, "channels:history")
        if needed not in self.scopes:
            raise SlackError("missing_scope", needed=needed, provided=",".join(sorted(self.scopes)))
        if self.workspace.bot_user not in channel.members:
            raise SlackError("not_in_channel")
        return channel

    def _read(self, posts: list[Post], arguments: Arguments) -> dict[str, Any]:
        """A page of messages."""
        oldest, latest = float(arguments.get("oldest") or 0), float(arguments.get("latest") or "inf")
        limit = int(arguments.get("limit") or 100)
        if not 1 <= limit <= 999:
            raise SlackError("invalid_limit")
        everything = [post for post in posts if oldest < float(post.ts) < latest]
        start = _cursor(arguments)
        found = everything[start : start + limit]
        more = start + limit < len(everything)
        with_metadata = _true(arguments.get("include_all_metadata"))
        answer: dict[str, Any] = {
            "messages": [post.as_slack_sends_it(with_metadata=with_metadata) for post in found],
            "has_more": more,
        }
        return answer | ({"response_metadata": {"next_cursor": f"at:{start + limit}"}} if more else {})

    def views_open(self, arguments: Arguments) -> dict[str, Any]:
        """views.open."""
        view = check_view(_json(arguments, "view"))
        person = self.handles.use_trigger(_needed(arguments, "trigger_id", "invalid_arguments"))
        return {"view": self.workspace.open_view(person, view).as_slack_sends_it()}

    def views_push(self, arguments: Arguments) -> dict[str, Any]:
        """views.push."""
        view = check_view(_json(arguments, "view"))
        person = self.handles.use_trigger(_needed(arguments, "trigger_id", "invalid_arguments"))
        if len(self.workspace.views.get(person, [])) >= MOST_VIEWS:
            raise SlackError("push_limit_reached")
        return {"view": self.workspace.open_view(person, view, on_top=True).as_slack_sends_it()}

    def views_update(self, arguments: Arguments) -> dict[str, Any]:
        """views.update."""
        view = check_view(_json(arguments, "view"))
        opened = self._view(arguments)
        if arguments.get("hash") and arguments["hash"] != opened.hash:
            raise SlackError("hash_conflict")
        opened.show(view)
        self.workspace.changed()
        return {"view": opened.as_slack_sends_it()}

    def views_publish(self, arguments: Arguments) -> dict[str, Any]:
        """views.publish."""
        view = check_view(_json(arguments, "view"), home=True)
        person = _needed(arguments, "user_id", "user_not_found")
        if person not in self.workspace.people or self.workspace.people[person].deleted:
            raise SlackError("user_not_found")
        if not self.home_enabled:
            raise SlackError("not_enabled")
        self.workspace.homes[person] = view
        self.workspace.changed()
        return {"view": {"id": f"VHOME{person}", "type": "home", "hash": new_hash(), **view}}

    def chat_unfurl(self, arguments: Arguments) -> dict[str, Any]:
        """chat.unfurl."""
        channel = self._visible_channel(arguments)
        post = channel.find(_needed(arguments, "ts", "cannot_find_message"))
        unfurls = _json(arguments, "unfurls")
        if post is None:
            raise SlackError("cannot_find_message")
        if not isinstance(unfurls, dict) or not all(url in post.text for url in unfurls):
            raise SlackError("cannot_unfurl_url")
        for url, unfurl in unfurls.items():
            blocks = check_blocks(unfurl["blocks"]) if unfurl.get("blocks") else []
            # A link that has a preview already gets this one instead.
            others = [one for one in post.attachments if one.get("from_url") != url]
            post.attachments = [*others, {**unfurl, "blocks": blocks, "from_url": url}]
        self.workspace.touch(post)
        return {}

    def chat_delete(self, arguments: Arguments) -> dict[str, Any]:
        """chat.delete."""
        channel = self._visible_channel(arguments)
        post = channel.find(_needed(arguments, "ts", "message_not_found"))
        if post is None:
            raise SlackError("message_not_found")
        if not post.by_bot:
            raise SlackError("cant_delete_message")
        self.workspace.remove(channel, post)
        return {"channel": channel.id, "ts": post.ts}

    def files_get_upload_url_external(self, arguments: Arguments) -> dict[str, Any]:
        """files.getUploadURLExternal: the address is Slack's file host, not the Web API's."""
        _needed(arguments, "filename", "invalid_arguments")
        if not str(arguments.get("length") or "").isdigit():
            raise SlackError("invalid_arguments", "length is missing")
        name = f"F{secrets.token_hex(5).upper()}"
        self.workspace.files[name] = b""
        self.workspace.uploads[name] = Upload(str(arguments["filename"]), str(arguments.get("alt_txt") or ""))
        return {"upload_url": f"{self.base_url()}/upload/{name}", "file_id": name}

    def files_complete_upload_external(self, arguments: Arguments) -> dict[str, Any]:
        """files.completeUploadExternal."""
        files = _json(arguments, "files") or []
        if not files:
            raise SlackError("file_not_found")
        shared = [self._shared(one) for one in files]
        if arguments.get("channel_id"):
            channel = self._channel_to_post_in({"channel": arguments["channel_id"]})
            text = str(arguments.get("initial_comment") or "")
            thread = arguments.get("thread_ts")
            post = Post(self.workspace.new_ts(), self.workspace.bot_user, text, by_bot=True, files=shared)
            post.thread_ts = str(thread) if thread else None
            self.workspace.post(channel, post)
        return {"files": shared}

    def files_delete(self, arguments: Arguments) -> dict[str, Any]:
        """files.delete: it is gone from every message that shows it (docs.slack.dev, "files.delete")."""
        name = _needed(arguments, "file", "file_not_found")
        there = next((place for place in self.reach if name in place.files), None)
        if there is None:
            raise SlackError("file_not_found")
        del there.files[name]
        for channel in there.channels.values():
            for post in channel.posts:
                if any(one["id"] == name for one in post.files):
                    post.files = [one for one in post.files if one["id"] != name]
                    there.touch(post)
        return {}

    def _shared(self, one: Mapping[str, Any]) -> dict[str, Any]:
        """A file that was uploaded with this token, whichever of its workspaces that was for."""
        name = str(one.get("id"))
        there = next((place for place in self.reach if name in place.files), None)
        if there is None:
            raise SlackError("file_not_found")
        upload = there.uploads[name]
        return {
            "id": name,
            "title": one.get("title") or name,
            "url_private": f"{self.base_url()}/upload/{name}",
            "alt_txt": upload.alt,
            **_kind_of_file(upload.name, there.files[name]),
        }

    def functions_complete_success(self, arguments: Arguments) -> dict[str, Any]:
        """functions.completeSuccess: the outputs that the manifest names, each of its type."""
        run = self._step_run(arguments)
        outputs = _json(arguments, "outputs")
        if not isinstance(outputs, dict):
            raise SlackError("invalid_arguments", "outputs is missing")
        check_parameters(outputs, self.functions[run.function]["output_parameters"])
        run.outputs = outputs
        self.workspace.changed()
        return {}

    def functions_complete_error(self, arguments: Arguments) -> dict[str, Any]:
        """functions.completeError."""
        run = self._step_run(arguments)
        run.error = _needed(arguments, "error", "invalid_arguments")
        self.workspace.changed()
        return {}

    def _step_run(self, arguments: Arguments) -> StepRun:
        run = self.workspace.runs.get(_needed(arguments, "function_execution_id", "invalid_arguments"))
        if run is None:
            raise SlackError("function_execution_not_found")
        if run.status != "running":
            raise SlackError("function_execution_not_in_progress")
        return run

    def _view(self, arguments: Arguments) -> OpenView:
        if not arguments.get("view_id") and not arguments.get("external_id"):
            raise SlackError("invalid_arguments", "either view_id or external_id is needed")
        for stack in self.workspace.views.values():
            for one in stack:
                if one.id == arguments.get("view_id") or (
                    arguments.get("external_id") and one.view.get("external_id") == arguments["external_id"]
                ):
                    return one
        raise SlackError("not_found")

    def _visible_channel(self, arguments: Arguments) -> Channel:
        channel = self.workspace.channels.get(_needed(arguments, "channel", "channel_not_found"))
        # A private channel does not exist for a bot that is not in it.
        if channel is None or (channel.private and self.workspace.bot_user not in channel.members):
            raise SlackError("channel_not_found")
        return channel

    def _channel_to_post_in(self, arguments: Arguments) -> Channel:
        channel = self._visible_channel(arguments)
        if channel.archived:
            raise SlackError("is_archived")
        if self.workspace.bot_user not in channel.members and "chat:write.public" not in self.scopes:
            raise SlackError("not_in_channel")
        return channel


def _kind_of_file(name: str, content: bytes) -> dict[str, Any]:
    """What Slack makes of a file by its name; of a text it shows the beginning."""
    ending = name.rpartition(".")[2]
    kinds = {"png": ("image/png", "PNG"), "yml": ("text/yaml", "YAML"), "log": ("text/plain", "Log")}
    mimetype, pretty = kinds.get(ending, ("application/octet-stream", "Binary"))
    kind: dict[str, Any] = {"name": name, "mimetype": mimetype, "pretty_type": pretty, "size": len(content)}
    if mimetype.startswith("text/"):
        kind["preview"] = "\n".join(content[:4000].decode("utf-8", "replace").split("\n")[:12])
    return kind


def _needed(arguments: Arguments, name: str, error: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise SlackError(error)
    return value


def _json(arguments: Arguments, name: str) -> Any:
    """An argument that may come as JSON text in a form, or as it is in a JSON body."""
    value = arguments.get(name)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise SlackError(
            f"invalid_{name}" if name != "view" else "invalid_arguments", f"{name} is no JSON"
        ) from None


def _content(arguments: Arguments) -> tuple[str, list[dict[str, Any]]]:
    blocks = _json(arguments, "blocks")
    checked = check_blocks(blocks) if blocks else []
    text = str(arguments.get("text") or "")
    if not text and not checked and not arguments.get("attachments"):
        raise SlackError("no_text")
    if len(text) > LONGEST_TEXT:
        raise SlackError("msg_too_long")
    return text, checked


def _attachments(arguments: Arguments) -> list[dict[str, Any]]:
    found = _json(arguments, "attachments") or []
    if not isinstance(found, list) or len(found) > MOST_ATTACHMENTS:
        raise SlackError("too_many_attachments")
    return [one | ({"blocks": check_blocks(one["blocks"])} if one.get("blocks") else {}) for one in found]


def _metadata(arguments: Arguments) -> dict[str, Any] | None:
    metadata = _json(arguments, "metadata")
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_type"), str):
        raise SlackError("invalid_metadata_format")
    if not isinstance(metadata.get("event_payload"), dict):
        raise SlackError("invalid_metadata_format")
    return metadata


def _cursor(arguments: Arguments) -> int:
    cursor = str(arguments.get("cursor") or "")
    if not cursor:
        return 0
    name, _, place = cursor.partition(":")
    if name != "at" or not place.isdigit():
        raise SlackError("invalid_cursor")
    return int(place)


def _true(value: Any) -> bool:
    return str(value).lower() in ("1", "true")


# The method's name, what answers it, and the scope that it needs (None: none, or decided inside).
METHODS: dict[str, tuple[str, str | None]] = {
    "auth.test": ("auth_test", None),
    "usergroups.list": ("usergroups_list", "usergroups:read"),
    "usergroups.users.list": ("usergroups_users_list", "usergroups:read"),
    "users.info": ("users_info", "users:read"),
    "chat.postMessage": ("chat_post_message", "chat:write"),
    "chat.postEphemeral": ("chat_post_ephemeral", "chat:write"),
    "chat.update": ("chat_update", "chat:write"),
    "functions.completeSuccess": ("functions_complete_success", None),
    "functions.completeError": ("functions_complete_error", None),
    "users.conversations": ("users_conversations", None),
    "conversations.history": ("conversations_history", None),
    "conversations.info": ("conversations_info", None),
    "conversations.join": ("conversations_join", "channels:join"),
    "conversations.open": ("conversations_open", "im:write"),
    "conversations.replies": ("conversations_replies", None),
    "views.open": ("views_open", None),
    "views.push": ("views_push", None),
    "views.update": ("views_update", None),
    "views.publish": ("views_publish", None),
    "chat.delete": ("chat_delete", "chat:write"),
    "chat.unfurl": ("chat_unfurl", "links:write"),
    "files.getUploadURLExternal": ("files_get_upload_url_external", "files:write"),
    "files.completeUploadExternal": ("files_complete_upload_external", "files:write"),
    "files.delete": ("files_delete", "files:write"),
}
