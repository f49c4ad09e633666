"""Settings of the bot, read once from the environment or `.env`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from bot.data_settings import Conflict, DataSettings
from bot.roles import Role, parse_roles
from domain.abort_kind import AbortReasonRule, parse_rules
from domain.access_policy import AllowRule, ApprovalRule, InvalidAccessRule, read_policy
from domain.redaction.redactor import redact
from domain.slack_ids import is_slack_id

_HEADER_VALUE = re.compile(r"[!-~]+")  # what an HTTP header can carry (RFC 9110, 5.5)
_HOST = re.compile(r"[a-z0-9_.-]+(:[0-9]{1,5})?|\[[0-9a-f:]+\](:[0-9]{1,5})?")
_BOT_TOKEN, _APP_TOKEN = "a bot token (xoxb-…)", "an app-level token (xapp-…)"
# Token kinds by prefix; Slack checks tokens with any other prefix (docs.slack.dev, "Tokens").
_TOKEN_KINDS = {
    "xoxb-": _BOT_TOKEN,
    "xoxe.xoxb-": _BOT_TOKEN,
    "xapp-": _APP_TOKEN,
    "xoxp-": "a user token (xoxp-…)",
    "xoxe.xoxp-": "a user token (xoxp-…)",
    "xoxe-": "a refresh token (xoxe-…)",
}
DAY_SECONDS = 24 * 60 * 60
MAX_DAYS = 36_500


class Settings(DataSettings):
    """Environment variables of the bot. Each variable is the field's name in capitals."""

    roles: Annotated[tuple[Role, ...], NoDecode] = Field(
        default=tuple(Role),
        description="What this process does, separated by commas. Fewer than all roles need PostgreSQL"
        " (docs/scaling.md).",
    )

    slack_bot_token: SecretStr | None = Field(
        default=None, description="Bot token of the Slack app (xoxb-…), for one workspace."
    )
    slack_app_token: SecretStr | None = Field(
        default=None,
        description="App-level token (xapp-…). If set, the bot uses Socket Mode; otherwise HTTP.",
    )
    slack_signing_secret: SecretStr | None = Field(
        default=None,
        description="Signing secret of the Slack app. Required in HTTP mode for the role `web`.",
    )
    slack_client_id: str | None = Field(
        default=None,
        description="Client ID of the Slack app. If set, many workspaces install it at PUBLIC_URL/slack/install.",
    )
    slack_client_secret: SecretStr | None = Field(
        default=None, description="Client secret of the Slack app. Required with SLACK_CLIENT_ID."
    )
    slack_workspaces: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Workspaces (T…) and organisations (E…) that may install the app, separated by commas. Empty: all.",
    )
    slack_authorize_url: str = Field(
        default="https://slack.com/oauth/v2/authorize",
        description="Slack's authorization page for installing the app.",
    )
    slack_api_url: str = Field(
        default="https://slack.com/api/", description="Base URL of Slack's Web API. Socket Mode uses it too."
    )

    bitrise_token: SecretStr | None = Field(
        default=None, description="Personal or workspace token that polls and reads Bitrise."
    )
    bitrise_api_url: str = Field(
        default="https://api.bitrise.io/v0.1", description="Base URL of Bitrise's API, including the version."
    )
    buildio_token: SecretStr | None = Field(
        default=None,
        description="Token that polls and reads Build.io, in addition to BITRISE_TOKEN or instead of it.",
    )
    buildio_api_url: str = Field(
        default="https://app.build.io/api/v1",
        description="Base URL of Build.io's API, including the version.",
    )

    buildio_client_id: str | None = Field(
        default=None,
        description="Client ID of an OAuth application at Build.io. If set, users can connect accounts on its page.",
    )
    buildio_client_secret: SecretStr | None = Field(
        default=None, description="Client secret of that application. Required with BUILDIO_CLIENT_ID."
    )

    public_url: str | None = Field(default=None, description="Public URL of the bot.")
    host: str = Field(default="0.0.0.0", description="Address to listen on.")  # noqa: S104 - a container's port
    port: int = Field(
        default=3000,
        ge=0,
        le=65535,
        description="Port for Slack's requests (HTTP mode), health checks and metrics.",
    )

    poll_interval: float = Field(
        default=30,
        gt=0,
        le=DAY_SECONDS,
        description="Seconds between two polls of a provider while nothing runs.",
    )
    poll_interval_active: float = Field(
        default=10, gt=0, le=DAY_SECONDS, description="Seconds between two polls while a build runs."
    )
    policy_file: Path | None = Field(
        default=None, description="TOML file with access rules (docs/access-rules.md)."
    )
    service_token_acts: bool = Field(
        default=False,
        description="1: BITRISE_TOKEN also reads, aborts and starts builds for members without a connected account.",
    )
    requests_per_minute: int = Field(
        default=300,
        ge=6,
        description="Limit of apps polled one by one per minute, where no list covers all apps (Build.io: half of it).",
    )
    backlog_count: int = Field(
        default=10,
        ge=1,
        description="If more builds than this wait for a channel, they are sent in one message.",
    )
    backlog_minutes: float = Field(
        default=60,
        gt=0,
        le=MAX_DAYS * 24 * 60,
        description="Builds that have waited for more minutes than this are sent in one message.",
    )
    flood_limit: int = Field(
        default=60,
        ge=5,
        description="Messages per hour in a channel after which builds are collected in one message.",
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="If set, POST /webhooks/bitrise with X-Buildbell-Secret (or ?secret=…) makes the bot poll at once.",
    )
    bitrise_webhook_secret: SecretStr | None = Field(
        default=None,
        description="Secret of Bitrise's outgoing webhook. If set, the webhook's signature must match.",
    )
    metrics_token: SecretStr | None = Field(
        default=None, description="If set, /metrics requires this value as a bearer token."
    )
    abort_kinds: Annotated[tuple[AbortReasonRule, ...], NoDecode] = Field(
        default=(), description="Custom kinds of abort reasons, as kind=pattern; kind=pattern."
    )
    history_days: int = Field(
        default=90,
        ge=2,
        le=MAX_DAYS,
        description="Days after which builds are deleted, except for what statistics need.",
    )
    audit_days: int = Field(
        default=730,
        ge=30,
        le=MAX_DAYS,
        description="Days after which entries of the audit log are deleted.",
    )
    download_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Additional hosts (or host:port) for downloads of logs and artifacts, separated by commas.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Level of the bot's own log."
    )

    @field_validator(
        "slack_bot_token",
        "slack_app_token",
        "slack_signing_secret",
        "slack_client_id",
        "slack_client_secret",
        "bitrise_token",
        "buildio_token",
        "buildio_client_id",
        "buildio_client_secret",
    )
    @classmethod
    def _check_single_word(cls, value: str | SecretStr | None) -> str | SecretStr | None:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value or "-"
        if "…" in text:
            raise ValueError(
                "still contains the … of .env.example: enter the whole value, or remove the setting"
            )
        if not _HEADER_VALUE.fullmatch(text):
            raise ValueError("must be one word without spaces, exactly as it was copied")
        return value

    @field_validator("bitrise_token", "buildio_token")
    @classmethod
    def _reject_slack_tokens(cls, value: SecretStr | None) -> SecretStr | None:
        if (kind := _token_kind(value)) is not None:
            raise ValueError(f"is {kind} of Slack")
        return value

    @field_validator("download_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        hosts = tuple(host.strip().lower() for host in value.split(",") if host.strip())
        for host in hosts:
            if not _HOST.fullmatch(host):
                raise ValueError(
                    f"{redact(host)[:60]} is not a host such as files.example.com or files.example.com:8443"
                )
        return hosts

    @field_validator("roles", mode="before")
    @classmethod
    def _parse_roles(cls, value: object) -> object:
        return parse_roles(redact(value)) if isinstance(value, str) else value

    @field_validator("slack_workspaces", mode="before")
    @classmethod
    def _split_workspaces(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        workspaces = tuple(item.strip() for item in value.split(",") if item.strip())
        for workspace in workspaces:
            if not is_slack_id(workspace, "TE"):
                raise ValueError(
                    f"{redact(workspace)[:40]} is not the ID of a workspace (T…) or an organisation (E…)"
                )
        return workspaces

    @field_validator("abort_kinds", mode="before")
    @classmethod
    def _parse_abort_kinds(cls, value: object) -> object:
        try:
            return parse_rules(value) if isinstance(value, str) else value
        except ValueError as problem:
            raise ValueError(redact(str(problem))) from problem

    @field_validator(
        "slack_api_url", "slack_authorize_url", "bitrise_api_url", "buildio_api_url", "public_url"
    )
    @classmethod
    def _check_web_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be a web address such as https://example.com/path")
        if parts.username or parts.password:
            raise ValueError("must not contain a user name or password")
        if not re.fullmatch(r"[A-Za-z0-9_.:-]*[A-Za-z0-9_:]", parts.hostname):
            raise ValueError(
                "must have a host in ASCII letters without a dot at the end (xn--… for other letters)"
            )
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError(
                f"must begin with https://: plain http to {parts.hostname} would send tokens unencrypted"
                " (http:// is accepted only for this machine, such as http://127.0.0.1)"
            )
        return value.rstrip("/")

    @field_validator("slack_api_url")
    @classmethod
    def _add_trailing_slash(cls, value: str) -> str:
        return value + "/"  # slack_sdk appends the method name without a slash

    def conflicts(self) -> list[Conflict]:
        """Return all contradictions between settings that are valid on their own."""
        return [
            *super().conflicts(),
            *self._role_conflicts(),
            *self._workspace_conflicts(),
            *self._slack_token_conflicts(),
            *self._provider_conflicts(),
            *self._buildio_oauth_conflicts(),
        ]

    def _role_conflicts(self) -> Iterator[Conflict]:
        if self.database_path is not None and set(self.roles) != set(Role):
            yield Conflict(
                "ROLES divides the work between several bots, which need a PostgreSQL database: remove it, or set"
                " DATABASE_URL to one",
                "roles",
            )

    def _workspace_conflicts(self) -> Iterator[Conflict]:
        if (
            self.takes_requests
            and self.slack_app_token is None
            and self.slack_signing_secret is None
            and not self.many_workspaces
        ):
            yield Conflict(
                "set SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP); without one of them"
                " Slack's requests can't reach the bot"
            )
        if not self.many_workspaces:
            if self.slack_bot_token is None:
                yield Conflict("set SLACK_BOT_TOKEN (one workspace) or SLACK_CLIENT_ID (many)")
            if self.slack_workspaces:
                yield Conflict(
                    "SLACK_WORKSPACES names who may install the app and needs SLACK_CLIENT_ID: remove it if you use"
                    " SLACK_BOT_TOKEN"
                )
            return
        needed = ["slack_client_secret", "public_url", "buildbell_secret_key"]
        if self.takes_requests:
            needed.insert(1, "slack_signing_secret")
        if missing := [name.upper() for name in needed if getattr(self, name) is None]:
            yield Conflict(f"SLACK_CLIENT_ID also needs {', '.join(missing)}", "slack_client_id")
        if self.slack_bot_token is not None or self.slack_app_token is not None:
            yield Conflict(
                "SLACK_CLIENT_ID is for many workspaces, over HTTP: remove SLACK_BOT_TOKEN and SLACK_APP_TOKEN"
            )
        # Otherwise anyone who finds the install page could read and start builds with the bot's own provider token.
        if self.service_token_acts and not self.slack_workspaces:
            yield Conflict(
                "SERVICE_TOKEN_ACTS=1 with SLACK_CLIENT_ID lets every workspace that installs the app act with"
                " BITRISE_TOKEN: name yours in SLACK_WORKSPACES (T…,E…), or set SERVICE_TOKEN_ACTS=0"
            )

    def _slack_token_conflicts(self) -> Iterator[Conflict]:
        """Find Slack tokens of another kind than the setting needs (docs.slack.dev, "Tokens")."""
        bot, app = _token_kind(self.slack_bot_token), _token_kind(self.slack_app_token)
        if bot == _APP_TOKEN and app == _BOT_TOKEN:
            yield Conflict(
                "SLACK_BOT_TOKEN and SLACK_APP_TOKEN are swapped: the token that begins with xoxb- belongs in"
                " SLACK_BOT_TOKEN, the one with xapp- in SLACK_APP_TOKEN",
                "slack_bot_token",
                "slack_app_token",
            )
            return
        if bot not in (None, _BOT_TOKEN):
            yield Conflict(
                f"SLACK_BOT_TOKEN: is {bot}; copy the Bot User OAuth Token (xoxb-…) from OAuth & Permissions",
                "slack_bot_token",
            )
        if app not in (None, _APP_TOKEN):
            yield Conflict(
                f"SLACK_APP_TOKEN: is {app}; create an app-level token (xapp-…) with connections:write under Basic"
                " Information",
                "slack_app_token",
            )

    def _provider_conflicts(self) -> Iterator[Conflict]:
        if self.bitrise_token is None and self.buildio_token is None:
            yield Conflict(
                "set BITRISE_TOKEN to a personal or workspace token of Bitrise, or BUILDIO_TOKEN to a token of Build.io"
            )

    def _buildio_oauth_conflicts(self) -> Iterator[Conflict]:
        if (self.buildio_client_id is None) != (self.buildio_client_secret is None):
            yield Conflict("BUILDIO_CLIENT_ID and BUILDIO_CLIENT_SECRET belong together: set both or neither")
        if self.buildio_client_id is not None:
            needed = ("public_url", "buildbell_secret_key")
            if missing := [name.upper() for name in needed if getattr(self, name) is None]:
                yield Conflict(f"BUILDIO_CLIENT_ID also needs {', '.join(missing)}")

    def operator_rules(self) -> tuple[AllowRule | ApprovalRule, ...]:
        """Read the rules of POLICY_FILE; empty if it is not set. Raises InvalidAccessRule."""
        try:
            rules = read_policy(self.policy_file) if self.policy_file is not None else ()
        except InvalidAccessRule as problem:
            raise InvalidAccessRule(f"POLICY_FILE: {problem}") from problem
        if self.buildbell_secret_key is None and any(isinstance(rule, ApprovalRule) for rule in rules):
            raise InvalidAccessRule("POLICY_FILE has a rule that requires approval: set BUILDBELL_SECRET_KEY")
        if self.many_workspaces and any(rule.names_somebody and not rule.workspaces for rule in rules):
            raise InvalidAccessRule(
                "POLICY_FILE names users, groups or channels, whose IDs differ in each workspace that installs the app"
                ' (SLACK_CLIENT_ID): add workspaces = ["T…"] to each rule that names any'
            )
        return rules

    @property
    def uses_socket_mode(self) -> bool:
        """Return whether Slack sends its requests over sockets, and not over HTTP."""
        return self.slack_app_token is not None

    @property
    def takes_requests(self) -> bool:
        """Return whether this process takes Slack's requests."""
        return Role.WEB in self.roles

    @property
    def many_workspaces(self) -> bool:
        """Return whether workspaces install the app themselves."""
        return self.slack_client_id is not None


def _token_kind(token: SecretStr | None) -> str | None:
    """Return the kind of a Slack token; None if its prefix does not show it."""
    text = token.get_secret_value() if token is not None else ""
    return next((kind for beginning, kind in _TOKEN_KINDS.items() if text.startswith(beginning)), None)


def is_loopback(host: str | None) -> bool:
    """Return whether a host is this machine, so that no request leaves it."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False
