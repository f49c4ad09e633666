"""Bitrise as each person sees it: a client under their own token, and the apps that it sees."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from bot.bitrise import Bitrise
from bot.http import Credentials, FixedToken
from bot.provider import Provider
from bot.secrecy import knows
from handlers.credentials import PersonsToken, ServiceToken
from handlers.directory import AppDirectory
from storage import Storage

# However many people there are, so many clients and lists of apps are kept.
MOST_KEPT = 100

MakeClient = Callable[[Credentials], Bitrise]


@dataclass(frozen=True)
class Persons:
    """What one person is answered with.

    `reading` reads with the bot's token where they have none of their own; `own` reads and changes with theirs alone,
    or with the bot's where the operator lets it act for people.
    """

    reading: Bitrise
    own: Bitrise
    apps: AppDirectory


class Clients:
    """All clients; `service` is the bot's own, which only reads."""

    def __init__(
        self,
        make: MakeClient,
        storage: Storage,
        *,
        service_token: SecretStr | None,
        service_acts: bool,
        asked: Callable[[], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._make = make
        self._storage = storage
        self._service_token = service_token
        self.service_acts = service_acts
        self._asked = asked
        self._clock = clock
        self.service = make(ServiceToken(service_token))
        self.service_apps = AppDirectory(self.service, clock=clock)
        self._kept: OrderedDict[tuple[str, str], Persons] = OrderedDict()

    def of(self, team: str, person: str) -> Persons:
        """What this person is answered with; `""` is nobody in particular, who has no account."""
        key = (team, person)
        if key not in self._kept:
            reading = self._make(self._credentials(team, person, strict=False))
            own = self._make(self._credentials(team, person, strict=True))
            self._kept[key] = Persons(reading, own, AppDirectory(own, clock=self._clock))
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]

    def forget(self, team: str) -> None:
        """The app is gone from the workspace: so are its people's accounts."""
        for key in [one for one in self._kept if one[0] == team]:
            del self._kept[key]

    def forget_person(self, team: str, person: str) -> None:
        """The person's account is another one from now on: nothing that was read for the old one is shown any more."""
        self._kept.pop((team, person), None)

    def under(self, token: SecretStr) -> Bitrise:
        """A client under a token that somebody has just given, to see whose it is."""
        return self._make(FixedToken(token))

    def is_service_token(self, token: SecretStr) -> bool:
        """Whether it is the bot's own."""
        return self._service_token is not None and knows(token.get_secret_value(), self._service_token)

    async def is_linked(self, team: str, person: str) -> bool:
        """Whether the person has an account of their own that works."""
        account = await self._storage.of(team).accounts.find(person, Provider.BITRISE) if person else None
        return account is not None and account.works

    def _credentials(self, team: str, person: str, *, strict: bool) -> PersonsToken:
        return PersonsToken(
            self._storage,
            team,
            person,
            service=self._service_token,
            service_acts=self.service_acts,
            strict=strict,
            asked=self._asked,
            clock=self._clock,
        )
