"""Settings of the database and its keys, which the operator commands need."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from storage.audit_anchor_lines import AnchorAddress
from storage.database_url import find_url_problem, is_postgres, sqlite_path
from storage.encryption import SecretBox


@dataclass(frozen=True, init=False)
class Conflict:
    """A message about settings that contradict each other, and the names of the unusable settings."""

    message: str
    names: tuple[str, ...] = ()

    def __init__(self, message: str, *names: str) -> None:
        object.__setattr__(self, "message", message)
        object.__setattr__(self, "names", names)


class EnvFileUnreadable(ValueError):
    """The file `.env` can't be read. The message says why and quotes nothing from the file."""


class DataSettings(BaseSettings):
    """Database and keys: the settings that the operator commands need."""

    rejects_conflicts: ClassVar[bool] = True

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        arbitrary_types_allowed=True,
    )

    database_url: str = Field(
        default="sqlite:///buildbell.db",
        repr=False,  # it may contain a password
        description="Database of the bot: an SQLite file, or `postgresql://user:password@host/database`.",
    )
    buildbell_secret_key: SecretStr | None = Field(
        default=None,
        description="Key that encrypts stored tokens. Several, separated by commas: the first encrypts, all decrypt.",
    )

    audit_anchor: Annotated[AnchorAddress | None, NoDecode] = Field(
        default=None,
        description="Copy of each audit log entry's hash outside the database: a file in another folder,"
        " `syslog:///dev/log`, `syslog+udp://host:514` or `syslog+tcp://host:514`.",
    )

    def __init__(self, **values: Any) -> None:
        """Raises EnvFileUnreadable, ValidationError."""
        try:
            super().__init__(**values)
        except UnicodeDecodeError:
            raise EnvFileUnreadable(".env is not in UTF-8: save it as UTF-8 and start again.") from None
        except OSError as problem:
            raise EnvFileUnreadable(f".env can't be read ({problem.strerror}).") from None

    @field_validator("audit_anchor", mode="before")
    @classmethod
    def _parse_anchor_address(cls, value: object) -> object:
        return AnchorAddress.parse(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _reject_conflicts(self) -> Self:
        if self.rejects_conflicts and (conflicts_found := self.conflicts()):
            raise ValueError("; ".join(conflict.message for conflict in conflicts_found))
        return self

    def conflicts(self) -> list[Conflict]:
        """Return all contradictions between settings that are valid on their own."""
        if self.audit_anchor is None:
            return []
        conflicts_found = []
        if self.buildbell_secret_key is None:
            message = "AUDIT_ANCHOR also needs BUILDBELL_SECRET_KEY, which signs its lines"
            conflicts_found.append(Conflict(message))
        if (
            self.audit_anchor.kind == "file"
            and self.database_path is not None
            and self.audit_anchor.path.resolve().parent == self.database_path.resolve().parent
        ):
            message = (
                "AUDIT_ANCHOR: must be in another folder than the database, where its programs can't write"
            )
            conflicts_found.append(Conflict(message, "audit_anchor"))
        return conflicts_found

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: str) -> str:
        if is_postgres(value):
            if problem := find_url_problem(value):
                raise ValueError(problem)
            return value
        if "://" in value and not value.startswith("sqlite:///"):
            raise ValueError(
                "must be an SQLite file (sqlite:///buildbell.db or a path) or a PostgreSQL database"
                " (postgresql://user:password@host/database)"
            )
        path = sqlite_path(value)
        if not path or path.endswith("/") or path.startswith((":memory:", "file:")) or "\0" in path:
            raise ValueError(
                "must name a file, such as sqlite:///buildbell.db: notifications must survive a restart"
            )
        return value

    @field_validator("buildbell_secret_key")
    @classmethod
    def _check_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            SecretBox(_split_keys(value))
        return value

    def secret_box(self) -> SecretBox | None:
        """Return the encryption for stored tokens; None without a key."""
        return (
            SecretBox(_split_keys(self.buildbell_secret_key))
            if self.buildbell_secret_key is not None
            else None
        )

    @property
    def database_path(self) -> Path | None:
        """Path of the SQLite file; None if the database is PostgreSQL."""
        return None if is_postgres(self.database_url) else Path(sqlite_path(self.database_url))


def _split_keys(keys: SecretStr) -> list[str]:
    return [key.strip() for key in keys.get_secret_value().split(",") if key.strip()]
