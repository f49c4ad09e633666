"""What every act says of itself, and how it is kept. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

from pydantic import PlainSerializer, SecretStr, SerializationInfo

from bot.build import App, Frozen
from bot.policy import Permission, Question
from bot.provider import Provider

# What an act says that knows no branches, workflows or stages: a rule that names some of them is not about it.
NONE_OF_THEM = ""
_SEALING = {"sealing": True}


def _as_kept(value: SecretStr, info: SerializationInfo) -> str:
    context = info.context
    shown = isinstance(context, Mapping) and context.get("sealing") is True
    return value.get_secret_value() if shown else str(value)


# What an act needs and nobody may read: it is written out for sealing alone, and elsewhere it is asterisks.
Secret = Annotated[SecretStr, PlainSerializer(_as_kept, when_used="json")]


class ProviderAct(Frozen):
    """Something that somebody wants to change at a provider, whole: to be judged, noted, and done later.

    No secret is in what it says of itself. `app` is None where it is about none.
    """

    permission: ClassVar[Permission]
    provider: ClassVar[Provider]
    app: App | None = None

    def question(self, channel: str) -> Question:
        """What the policy is asked about it; what it does not say stays unknown."""
        return self._question(channel, stage=NONE_OF_THEM)

    def _question(
        self,
        channel: str,
        *,
        branch: str | None = None,
        workflow: str | None = None,
        stage: str | None = None,
    ) -> Question:
        return Question(
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

    def about(self) -> dict[str, str]:
        """What it is about, for the audit log."""
        raise NotImplementedError

    def words(self) -> str:
        """What somebody wants to do, as text that follows "wants to"."""
        raise NotImplementedError

    def exactly(self) -> str | None:
        """What will be done, letter by letter, where words alone do not say it."""
        return None

    def problem(self) -> str | None:
        """Why it can't even be asked for, as a sentence."""
        return None

    def secrets(self) -> Iterator[str]:
        """What in it must not be said again, whoever says it: an error may quote what was sent."""
        for value in self.__dict__.values():
            for one in value.values() if isinstance(value, Mapping) else (value,):
                if isinstance(one, SecretStr):
                    yield one.get_secret_value()

    def for_sealing(self) -> str:
        """All of it as JSON, secrets too: for what seals it, and for nobody else."""
        return self.model_dump_json(context=_SEALING)
