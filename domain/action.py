"""The base class of actions: what each says of itself, and how it is stored. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Self

from pydantic import PlainSerializer, SecretStr, SerializationInfo

from domain.access_policy import AccessRequest, Permission
from domain.build import App, FrozenModel
from domain.provider import Provider

# What an action says that knows no branches, workflows or stages: a rule that names some of them is not about it.
NONE_OF_THEM = ""
_SEALING = {"sealing": True}


def _serialize_secret(value: SecretStr, info: SerializationInfo) -> str:
    context = info.context
    shown = isinstance(context, Mapping) and context.get("sealing") is True
    return value.get_secret_value() if shown else str(value)


# What an action needs and nobody may read: it is written out for encryption alone, and elsewhere it is asterisks.
Secret = Annotated[SecretStr, PlainSerializer(_serialize_secret, when_used="json")]


class Action(FrozenModel):
    """Something that somebody wants to change at a provider, whole: to be judged, audited, and executed later.

    No secret is in what it says of itself. `act` names its class in storage and in the audit log; `app` is None where
    it is about none.

    `not_shown` lists the fields that `full_details` leaves out, each with the reason: a name, or a path of names.
    """

    permission: ClassVar[Permission]
    provider: ClassVar[Provider]
    not_shown: ClassVar[Mapping[str, str]] = {}
    act: str
    app: App | None = None

    def normalized(self) -> Self:
        """Return the action as it is judged, shown and sent. Raises ValueError with a sentence for the requester."""
        return self

    def access_request(self, channel: str) -> AccessRequest:
        """Return what the policy is asked about it; what it does not say stays unknown."""
        return self._build_access_request(channel, stage=NONE_OF_THEM)

    def _build_access_request(
        self,
        channel: str,
        *,
        branch: str | None = None,
        workflow: str | None = None,
        stage: str | None = None,
    ) -> AccessRequest:
        return AccessRequest(
            permission=self.permission,
            provider=self.provider,
            app=self.app,
            channel=channel,
            branch=branch,
            workflow=workflow,
            stage=stage,
        )

    def reason(self) -> str | None:
        """Return why, in the user's own words."""
        return None

    def audit_fields(self) -> dict[str, str]:
        """Return what it is about, for the audit log."""
        raise NotImplementedError

    def summary(self) -> str:
        """Return what somebody wants to do, as text that follows "wants to"."""
        raise NotImplementedError

    def full_details(self) -> list[tuple[str, str]]:
        """Return all that will be sent, as names and values: what a second person agrees to.

        Each field stands in it, but for those in `not_shown`.
        """
        raise NotImplementedError

    def problem(self) -> str | None:
        """Return why it can't even be requested, as a sentence."""
        return None

    def secrets(self) -> Iterator[str]:
        """Yield what no message may repeat: an error may quote what was sent."""
        for value in self.__dict__.values():
            for field in value.values() if isinstance(value, Mapping) else (value,):
                if isinstance(field, SecretStr):
                    yield field.get_secret_value()

    def to_json_with_secrets(self) -> str:
        """Return all of it as JSON, secrets too: for encryption only."""
        return self.model_dump_json(context=_SEALING)


def app_details(app: App | None) -> list[tuple[str, str]]:
    """Return which app it is: its title can be changed and given twice, its slug can't."""
    return [("app", app.title), ("app id", app.slug)] if app is not None else []


def present_values(**values: str | int | None) -> list[tuple[str, str]]:
    """Return the values that are not None; underscores in names stand for spaces."""
    return [(name.replace("_", " "), str(value)) for name, value in values.items() if value is not None]


def enabled_switches(**values: bool) -> list[tuple[str, str]]:
    """Return the switches that are on."""
    return [(name.replace("_", " "), "yes") for name, value in values.items() if value]
