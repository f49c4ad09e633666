"""Actions: what each reports about itself, how it is stored, and how it waits for an approval. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import PlainSerializer, SecretStr, SerializationInfo

from domain.access_policy import AccessRequest, Permission, Principals
from domain.build import App, FrozenModel
from domain.provider import Provider

# Set by actions that have no branch, workflow or stage: a rule that names some of them does not apply.
NONE_OF_THEM = ""
_WITH_SECRETS = {"sealing": True}


def _serialize_secret(value: SecretStr, info: SerializationInfo) -> str:
    context = info.context
    shown = isinstance(context, Mapping) and context.get("sealing") is True
    return value.get_secret_value() if shown else str(value)


# A secret value of an action: serialized in clear for encryption only, and as asterisks everywhere else.
Secret = Annotated[SecretStr, PlainSerializer(_serialize_secret, when_used="json")]


class Action(FrozenModel):
    """A change at a provider that a user asks for, complete: it can be authorized, audited, and executed later.

    Its texts contain no secrets. `act` names its class in storage and in the audit log; `app` is None if the action
    concerns no app. `stage` is None if apps have one: it is looked up if a rule depends on it.

    `not_shown` lists the fields that `full_details` leaves out, each with the reason: a name, or a path of names.
    """

    permission: ClassVar[Permission]
    provider: ClassVar[Provider]
    stage: ClassVar[str | None] = NONE_OF_THEM
    not_shown: ClassVar[Mapping[str, str]] = {}
    act: str
    app: App | None = None

    def normalized(self) -> Self:
        """Return the action as it is authorized, shown and sent. Raises ValueError with a sentence for the user."""
        return self

    def access_request(self, channel: str) -> AccessRequest:
        """Return what access rules are evaluated with."""
        branch, workflow = self.branch_and_workflow()
        return AccessRequest(
            permission=self.permission,
            provider=self.provider,
            app=self.app,
            channel=channel,
            branch=branch,
            workflow=workflow,
            stage=self.stage,
        )

    def branch_and_workflow(self) -> tuple[str | None, str | None]:
        """Return what access rules about branches and workflows apply to; None for what is unknown."""
        return None, None

    def reason(self) -> str | None:
        """Return the reason in the user's own words; None if there is none."""
        return None

    def audit_fields(self) -> dict[str, str]:
        """Return the details for the audit log."""
        raise NotImplementedError

    def summary(self) -> str:
        """Return what the user wants to do, as text that follows "wants to"."""
        raise NotImplementedError

    def full_details(self) -> list[tuple[str, str]]:
        """Return everything that will be sent, as names and values: this is what a second person approves.

        It contains every field except those in `not_shown`.
        """
        # Titles can change and need not be unique, unlike slugs.
        app = [("app", self.app.title), ("app id", self.app.slug)] if self.app is not None else []
        return app + self.details()

    def details(self) -> list[tuple[str, str]]:
        """Return the full details without the app."""
        raise NotImplementedError

    def problem(self) -> str | None:
        """Return why the action can't be requested at all, as a sentence; None if it can."""
        return None

    def secrets(self) -> Iterator[str]:
        """Yield the secret values, so that no message repeats them: an error may quote what was sent."""
        for value in self.__dict__.values():
            for field in value.values() if isinstance(value, Mapping) else (value,):
                if isinstance(field, SecretStr):
                    yield field.get_secret_value()

    def to_json_with_secrets(self) -> str:
        """Return the action as JSON, including secrets: for encryption only."""
        return self.model_dump_json(context=_WITH_SECRETS)


def present_values(**values: str | int | None) -> list[tuple[str, str]]:
    """Return the values that are not None; underscores in names stand for spaces."""
    return [(name.replace("_", " "), str(value)) for name, value in values.items() if value is not None]


class PendingActionState(StrEnum):
    """The state of a pending action. AGREED: it is approved and running, and its result is not known yet."""

    OPEN = "open"
    AGREED = "agreed"
    DONE = "done"
    DECLINED = "declined"
    EXPIRED = "expired"


class Approvers(FrozenModel):
    """The people who decide: anyone in all of `who` except the requester, or (`themselves`) the requester."""

    who: tuple[Principals, ...] = ()
    themselves: bool = False


class PendingAction(FrozenModel):
    """One pending action. `execution` names the workflow step that waits for it.

    `bound`: the requester, the approvers and the expiry are encrypted together with the action. Pending actions from
    before that existed can't be approved any more.
    """

    id: str
    team: str
    channel: str
    asked_by: str
    act: Action
    deciders: Approvers
    asked_at: datetime
    expires_at: datetime
    state: PendingActionState = PendingActionState.OPEN
    decided_by: str | None = None
    execution: str | None = None
    bound: bool = True


class UnreadableAction(FrozenModel):
    """A pending action that can't be decrypted: changed, encrypted with a lost key, or by a later version."""

    team: str
    id: str
    execution: str | None = None
