"""Every setting of the bot, read once from the environment or `.env`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from domain.abort_reason import AbortReasonRule, rules_from
from domain.access_policy import AllowRule, ApprovalRule, InvalidAccessRule, read_policy
from domain.redaction.redactor import redact
from domain.slack_ids import is_slack_id
from storage.audit_anchor_lines import AnchorAddress
from storage.encryption import SecretBox

_ONE_WORD = re.compile(r"[!-~]+")  # what an HTTP header can carry (RFC 9110, 5.5)
_HOST = re.compile(r"[a-z0-9_.-]+(:[0-9]{1,5})?|\[[0-9a-f:]+\](:[0-9]{1,5})?")
_BOT_TOKEN, _APP_TOKEN = "a bot token (xoxb-…)", "an app-level token (xapp-…)"
# By how they begin; what begins otherwise is left to Slack to judge (docs.slack.dev, "Tokens").
_KINDS = {
    "xoxb-": _BOT_TOKEN,
    "xoxe.xoxb-": _BOT_TOKEN,
    "xapp-": _APP_TOKEN,
    "xoxp-": "a user token (xoxp-…)",
    "xoxe.xoxp-": "a user token (xoxp-…)",
    "xoxe-": "a refresh token (xoxe-…)",
}
DAY_SECONDS = 24 * 60 * 60
MOST_DAYS = 36_500


@dataclass(frozen=True, init=False)
class Conflict:
    """Settings that do not fit together, in words, and the names of those that nothing can be done with."""

    words: str
    names: tuple[str, ...] = ()

    def __init__(self, words: str, *names: str) -> None:
        object.__setattr__(self, "words", words)
        object.__setattr__(self, "names", names)


class EnvFileUnreadable(ValueError):
    """The file `.env` can't be read; the sentence says why, and nothing of what is in it."""


class DataSettings(BaseSettings):
    """Where the bot remembers, and under which keys: all that the commands need that look after the data."""

    refuses_conflicts: ClassVar[bool] = True

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        arbitrary_types_allowed=True,
    )

    database_url: str = Field(
        default="sqlite:///buildbell.db", description="Where the bot remembers: an SQLite file."
    )
    buildbell_secret_key: SecretStr | None = Field(
        default=None,
        description="Key that seals people's own tokens; several, split by commas: the first seals, all open.",
    )

    audit_anchor: Annotated[AnchorAddress | None, NoDecode] = Field(
        default=None,
        description="Where each entry of the audit log is vouched for outside the database: a file elsewhere,"
        " `syslog:///dev/log`, `syslog+udp://host:514` or `syslog+tcp://host:514`.",
    )

    def __init__(self, **given: Any) -> None:
        """Raises EnvFileUnreadable, ValidationError."""
        try:
            super().__init__(**given)
        except UnicodeDecodeError:
            raise EnvFileUnreadable(".env is not in UTF-8: save it as UTF-8 and start again.") from None
        except OSError as problem:
            raise EnvFileUnreadable(f".env can't be read ({problem.strerror}).") from None

    @field_validator("audit_anchor", mode="before")
    @classmethod
    def _anchor_address(cls, value: object) -> object:
        return AnchorAddress.parse(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.refuses_conflicts and (found := self.conflicts()):
            raise ValueError("; ".join(one.words for one in found))
        return self

    def conflicts(self) -> list[Conflict]:
        """Settings that are each right by themselves and do not fit together, all of them."""
        if self.audit_anchor is None:
            return []
        found = []
        if self.buildbell_secret_key is None:
            words = "AUDIT_ANCHOR also needs BUILDBELL_SECRET_KEY, with which its lines are signed"
            found.append(Conflict(words))
        if (
            self.audit_anchor.kind == "file"
            and self.audit_anchor.path.resolve().parent == Path(self.database_path).resolve().parent
        ):
            words = (
                "AUDIT_ANCHOR: must lie in another folder than the database, where its writers can't reach it"
            )
            found.append(Conflict(words, "audit_anchor"))
        return found

    @field_validator("database_url")
    @classmethod
    def _sqlite_file(cls, value: str) -> str:
        if "://" in value and not value.startswith("sqlite:///"):
            raise ValueError("must be an SQLite file: sqlite:///buildbell.db or a path")
        path = value.removeprefix("sqlite:///")
        if not path or path.endswith("/") or path.startswith((":memory:", "file:")) or "\0" in path:
            raise ValueError(
                "must name a file, such as sqlite:///buildbell.db: what is told must outlive the bot"
            )
        return value

    @field_validator("buildbell_secret_key")
    @classmethod
    def _keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            SecretBox(_split(value))
        return value

    def secret_box(self) -> SecretBox | None:
        """What seals people's tokens; None without a key."""
        return SecretBox(_split(self.buildbell_secret_key)) if self.buildbell_secret_key is not None else None

    @property
    def database_path(self) -> str:
        """The SQLite file's path."""
        return self.database_url.removeprefix("sqlite:///")


class Settings(DataSettings):
    """The environment variables that steer the bot; the names in capitals are the fields' own."""

    slack_bot_token: SecretStr | None = Field(
        default=None, description="Bot token of the Slack app (xoxb-…), for one workspace."
    )
    slack_app_token: SecretStr | None = Field(
        default=None, description="App-level token (xapp-…). Given: Socket Mode; else HTTP."
    )
    slack_signing_secret: SecretStr | None = Field(
        default=None, description="Signing secret of the Slack app; HTTP mode needs it."
    )
    slack_client_id: str | None = Field(
        default=None,
        description="Client id of the Slack app. Given: many workspaces install it at PUBLIC_URL/slack/install.",
    )
    slack_client_secret: SecretStr | None = Field(
        default=None, description="Client secret of the Slack app; belongs to SLACK_CLIENT_ID."
    )
    slack_workspaces: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="The only workspaces (T…) and organisations (E…) that may install the app, split by commas.",
    )
    slack_authorize_url: str = Field(
        default="https://slack.com/oauth/v2/authorize",
        description="Slack's page where an installation is allowed.",
    )
    slack_api_url: str = Field(
        default="https://slack.com/api/", description="Where Slack's Web API is; Socket Mode follows it."
    )

    bitrise_token: SecretStr | None = Field(
        default=None, description="Personal or workspace token that watches and reads Bitrise."
    )
    bitrise_api_url: str = Field(
        default="https://api.bitrise.io/v0.1", description="Where Bitrise's API is, with its version."
    )
    buildio_token: SecretStr | None = Field(
        default=None,
        description="Token that watches and reads Build.io, beside BITRISE_TOKEN or instead of it.",
    )
    buildio_api_url: str = Field(
        default="https://app.build.io/api/v1", description="Where Build.io's API is, with its version."
    )

    buildio_client_id: str | None = Field(
        default=None,
        description="Client id of an OAuth application at Build.io. Given: people connect their account on its page.",
    )
    buildio_client_secret: SecretStr | None = Field(
        default=None, description="Client secret of that application; belongs to BUILDIO_CLIENT_ID."
    )

    public_url: str | None = Field(default=None, description="Where the bot can be reached from outside.")
    host: str = Field(default="0.0.0.0", description="Address to serve on.")  # noqa: S104 - a container's port
    port: int = Field(
        default=3000, ge=0, le=65535, description="Port for Slack's requests (HTTP mode), health and metrics."
    )

    poll_interval: float = Field(
        default=30,
        gt=0,
        le=DAY_SECONDS,
        description="Seconds between two looks at a provider while nothing runs.",
    )
    poll_interval_active: float = Field(
        default=10, gt=0, le=DAY_SECONDS, description="Seconds between two looks while a build runs."
    )
    policy_file: Path | None = Field(
        default=None, description="A TOML file with rules of who may do what (docs/access-rules.md)."
    )
    service_token_acts: bool = Field(
        default=False,
        description="1: BITRISE_TOKEN also reads, aborts and starts builds for members without an own account.",
    )
    requests_per_minute: int = Field(
        default=300,
        ge=6,
        description="How many apps may be read by themselves in a minute, where no list tells of all (Build.io: half).",
    )
    backlog_count: int = Field(
        default=10, ge=1, description="More builds than this that wait for a channel are told in one message."
    )
    backlog_minutes: float = Field(
        default=60,
        gt=0,
        le=MOST_DAYS * 24 * 60,
        description="Builds that have waited longer than this are told in one message.",
    )
    flood_limit: int = Field(
        default=60,
        ge=5,
        description="Messages an hour in a channel after which builds are gathered in one message.",
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Given: POST /webhooks/bitrise with X-Buildbell-Secret (or ?secret=…) makes the bot look at once.",
    )
    bitrise_webhook_secret: SecretStr | None = Field(
        default=None, description="The secret of Bitrise's outgoing webhook; given, its signature must fit."
    )
    metrics_token: SecretStr | None = Field(
        default=None, description="Given: /metrics is shown only to who sends it as a bearer token."
    )
    abort_kinds: Annotated[tuple[AbortReasonRule, ...], NoDecode] = Field(
        default=(), description="Own kinds of abort reasons, as kind=pattern; kind=pattern."
    )
    history_days: int = Field(
        default=90,
        ge=2,
        le=MOST_DAYS,
        description="Days after which told builds are forgotten, but for what statistics need.",
    )
    audit_days: int = Field(
        default=730,
        ge=30,
        le=MOST_DAYS,
        description="Days after which entries of the audit log are forgotten.",
    )
    download_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="More hosts (or host:port), split by commas, that logs and artifacts may be fetched from.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="How much the bot says about its own work."
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
    def _one_word(cls, value: str | SecretStr | None) -> str | SecretStr | None:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value or "-"
        if "…" in text:
            raise ValueError("still holds the … of .env.example: put the whole value there, or leave it out")
        if not _ONE_WORD.fullmatch(text):
            raise ValueError("must be one word without spaces, exactly as it was copied")
        return value

    @field_validator("bitrise_token", "buildio_token")
    @classmethod
    def _not_slacks(cls, value: SecretStr | None) -> SecretStr | None:
        if (kind := _kind_of(value)) is not None:
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
                    f"{redact(host)[:60]} is no host such as files.example.com or files.example.com:8443"
                )
        return hosts

    @field_validator("slack_workspaces", mode="before")
    @classmethod
    def _split_workspaces(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        named = tuple(one.strip() for one in value.split(",") if one.strip())
        for one in named:
            if not is_slack_id(one, "TE"):
                raise ValueError(f"{redact(one)[:40]} is no id of a workspace (T…) or an organisation (E…)")
        return named

    @field_validator("abort_kinds", mode="before")
    @classmethod
    def _read_rules(cls, value: object) -> object:
        try:
            return rules_from(value) if isinstance(value, str) else value
        except ValueError as problem:
            raise ValueError(redact(str(problem))) from problem

    @field_validator(
        "slack_api_url", "slack_authorize_url", "bitrise_api_url", "buildio_api_url", "public_url"
    )
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be a web address such as https://example.com/path")
        if parts.username or parts.password:
            raise ValueError("must not carry a name or password")
        if not re.fullmatch(r"[A-Za-z0-9_.:-]*[A-Za-z0-9_:]", parts.hostname):
            raise ValueError("must name its host in plain letters, with no dot at the end (xn--… for others)")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError(
                f"must begin with https://: plain http to {parts.hostname} would send tokens in clear"
                " (http:// is taken for this machine alone, such as http://127.0.0.1)"
            )
        return value.rstrip("/")

    @field_validator("slack_api_url")
    @classmethod
    def _slack_base_url(cls, value: str) -> str:
        return value + "/"  # slack_sdk joins a method's name to it as it is

    def conflicts(self) -> list[Conflict]:
        """Settings that are each right by themselves and do not fit together, all of them."""
        return [
            *super().conflicts(),
            *self._whose_workspace(),
            *self._kinds_of_slack_tokens(),
            *self._something_to_watch(),
            *self._login_at_buildio(),
        ]

    def _whose_workspace(self) -> Iterator[Conflict]:
        if self.slack_app_token is None and self.slack_signing_secret is None and not self.many_workspaces:
            yield Conflict(
                "set SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP); without one of them"
                " Slack's requests can't reach the bot"
            )
        if not self.many_workspaces:
            if self.slack_bot_token is None:
                yield Conflict("set SLACK_BOT_TOKEN (one workspace) or SLACK_CLIENT_ID (many)")
            if self.slack_workspaces:
                yield Conflict(
                    "SLACK_WORKSPACES says who may install the app, and belongs to SLACK_CLIENT_ID: with"
                    " SLACK_BOT_TOKEN leave it out"
                )
            return
        needed = ("slack_client_secret", "slack_signing_secret", "public_url", "buildbell_secret_key")
        if missing := [name.upper() for name in needed if getattr(self, name) is None]:
            yield Conflict(f"SLACK_CLIENT_ID also needs {', '.join(missing)}", "slack_client_id")
        if self.slack_bot_token is not None or self.slack_app_token is not None:
            yield Conflict(
                "SLACK_CLIENT_ID is for many workspaces, over HTTP: leave SLACK_BOT_TOKEN and SLACK_APP_TOKEN out"
            )
        # Whoever finds the install page would read and start builds with the bot's own token.
        if self.service_token_acts and not self.slack_workspaces:
            yield Conflict(
                "SERVICE_TOKEN_ACTS=1 with SLACK_CLIENT_ID lets every workspace that installs the app act with"
                " BITRISE_TOKEN: name yours in SLACK_WORKSPACES (T…,E…), or set SERVICE_TOKEN_ACTS=0"
            )

    def _kinds_of_slack_tokens(self) -> Iterator[Conflict]:
        """Tokens that are Slack's, but of another kind than the setting asks for (docs.slack.dev, "Tokens")."""
        bot, app = _kind_of(self.slack_bot_token), _kind_of(self.slack_app_token)
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
                f"SLACK_APP_TOKEN: is {app}; make an app-level token (xapp-…) with connections:write under Basic"
                " Information",
                "slack_app_token",
            )

    def _something_to_watch(self) -> Iterator[Conflict]:
        if self.bitrise_token is None and self.buildio_token is None:
            yield Conflict(
                "set BITRISE_TOKEN to a personal or workspace token of Bitrise, or BUILDIO_TOKEN to one of Build.io"
            )

    def _login_at_buildio(self) -> Iterator[Conflict]:
        if (self.buildio_client_id is None) != (self.buildio_client_secret is None):
            yield Conflict("BUILDIO_CLIENT_ID and BUILDIO_CLIENT_SECRET belong together: set both or neither")
        if self.buildio_client_id is not None:
            needed = ("public_url", "buildbell_secret_key")
            if missing := [name.upper() for name in needed if getattr(self, name) is None]:
                yield Conflict(f"BUILDIO_CLIENT_ID also needs {', '.join(missing)}")

    def operator_rules(self) -> tuple[AllowRule | ApprovalRule, ...]:
        """Read the rules of POLICY_FILE; none without one. Raises InvalidAccessRule."""
        try:
            rules = read_policy(self.policy_file) if self.policy_file is not None else ()
        except InvalidAccessRule as problem:
            raise InvalidAccessRule(f"POLICY_FILE: {problem}") from problem
        if self.buildbell_secret_key is None and any(isinstance(rule, ApprovalRule) for rule in rules):
            raise InvalidAccessRule("POLICY_FILE asks for a second person, which needs BUILDBELL_SECRET_KEY")
        if self.many_workspaces and any(rule.names_somebody and not rule.workspaces for rule in rules):
            raise InvalidAccessRule(
                "POLICY_FILE names people, groups or channels, who are others in each workspace that installs the app"
                ' (SLACK_CLIENT_ID): say workspaces = ["T…"] in each rule that names some'
            )
        return rules

    @property
    def many_workspaces(self) -> bool:
        """Whether workspaces install the app themselves."""
        return self.slack_client_id is not None


def _kind_of(token: SecretStr | None) -> str | None:
    """Name the kind of a token of Slack's; None where it is not to be seen."""
    text = token.get_secret_value() if token is not None else ""
    return next((kind for beginning, kind in _KINDS.items() if text.startswith(beginning)), None)


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine, which nothing on the way can listen to."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def in_words(problem: ValidationError) -> str:
    """What is wrong with the settings, by the names that a person sets."""
    said = [
        f"{str(error['loc'][0]).upper()}: {_in_words(error['msg'])}."
        if error["loc"]
        else f"{_plain(error['msg'])}."
        for error in problem.errors()
    ]
    return "; ".join(said)


def problems_by_name(problem: ValidationError) -> dict[str, str]:
    """What is wrong with each setting, by its field's name."""
    return {str(error["loc"][0]): _in_words(error["msg"]) for error in problem.errors() if error["loc"]}


def _in_words(words: str) -> str:
    words = _plain(words)
    return f"{words[0].lower()}{words[1:]}"


def _plain(words: str) -> str:
    return words.removeprefix("Value error, ")


def _split(keys: SecretStr) -> list[str]:
    return [key.strip() for key in keys.get_secret_value().split(",") if key.strip()]
