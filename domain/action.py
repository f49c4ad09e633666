"""What every act says of itself, and how it is kept. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Self

from pydantic import PlainSerializer, SecretStr, SerializationInfo

from domain.access_policy import AccessRequest, Permission
from domain.build import App, FrozenModel
from domain.provider import Provider

# What an act says that knows no branches, workflows or stages: a rule that names some of them is not about it.
NONE_OF_THEM = ""
_SEALING = {"sealing": True}


def _as_kept(value: SecretStr, info: SerializationInfo) -> str:
    context = info.context
    shown = isinstance(context, Mapping) and context.get("sealing") is True
    return value.get_secret_value() if shown else str(value)


# What an act needs and nobody may read: it is written out for sealing alone, and elsewhere it is asterisks.
Secret = Annotated[SecretStr, PlainSerializer(_as_kept, when_used="json")]


class Action(FrozenModel):
    """Something that somebody wants to change at a provider, whole: to be judged, noted, and done later.

    No secret is in what it says of itself. `act` is the name of its kind, as it is stored; `app` is None where it is
    about none.

    `not_shown` lists the fields that `full_details` leaves out, each with the reason: a name, or a path of names.
    """

    permission: ClassVar[Permission]
    provider: ClassVar[Provider]
    not_shown: ClassVar[Mapping[str, str]] = {}
    act: str
    app: App | None = None

    def normalized(self) -> Self:
        """Return the act as it is judged, shown and sent. Raises ValueError with a sentence for who asks."""
        return self

    def access_request(self, channel: str) -> AccessRequest:
        """What the policy is asked about it; what it does not say stays unknown."""
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
        """Why, in the person's own words."""
        return None

    def audit_fields(self) -> dict[str, str]:
        """What it is about, for the audit log."""
        raise NotImplementedError

    def summary(self) -> str:
        """What somebody wants to do, as text that follows "wants to"."""
        raise NotImplementedError

    def full_details(self) -> list[tuple[str, str]]:
        """Return all that will be sent, as names and values: what a second person agrees to.

        Each field stands in it, but for those in `not_shown`.
        """
        raise NotImplementedError

    def problem(self) -> str | None:
        """Why it can't even be asked for, as a sentence."""
        return None

    def secrets(self) -> Iterator[str]:
        """What in it must not be said again, whoever says it: an error may quote what was sent."""
        for value in self.__dict__.values():
            for one in value.values() if isinstance(value, Mapping) else (value,):
                if isinstance(one, SecretStr):
                    yield one.get_secret_value()

    def to_json_with_secrets(self) -> str:
        """All of it as JSON, secrets too: for what seals it, and for nobody else."""
        return self.model_dump_json(context=_SEALING)


def app_details(app: App | None) -> list[tuple[str, str]]:
    """Return which app it is: its title can be changed and given twice, its slug can't."""
    return [("app", app.title), ("app id", app.slug)] if app is not None else []


def present_values(**values: str | int | None) -> list[tuple[str, str]]:
    """Return those that are there; underscores in names stand for spaces."""
    return [(name.replace("_", " "), str(value)) for name, value in values.items() if value is not None]


def enabled_switches(**values: bool) -> list[tuple[str, str]]:
    """Return those that are on."""
    return [(name.replace("_", " "), "yes") for name, value in values.items() if value]
