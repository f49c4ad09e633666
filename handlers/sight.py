"""Whether people still see what their subscriptions show: a channel is told no more than whoever made one sees."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from slack_sdk.errors import SlackApiError

from bot import messages
from bot.audit import Entry, Event, Personal
from bot.http import BadToken, NoAccess, NotConnected, NotFound, ProviderError
from bot.provider import Provider
from handlers.answers import accounts
from handlers.caller import Caller
from handlers.desk import Desk
from handlers.scoping import own_scope
from storage import Stopped, Subscription

log = structlog.get_logger()

EVERY = timedelta(hours=1)
# A token may have run out while its owner is on holiday; but it may also have been taken from them.
PATIENCE = timedelta(days=1)
AT_ONCE = 50
LONGEST_SLEEP = 300.0


class Sight:
    """Asks the provider with each maker's own token, each once in `every`; `run` goes on until stopped."""

    def __init__(self, desk: Desk, changed: asyncio.Event, *, every: timedelta = EVERY) -> None:
        self._desk = desk
        self._changed = changed
        self._every = every
        self._stopping = False

    def stop(self) -> None:
        """End `run`."""
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Ask until stopped; no failure ends it."""
        while not self._stopping:
            somebody = self._changed.is_set()
            self._changed.clear()
            try:
                await self._see_to_leavers()
                await self.look(everything=somebody)
            except ProviderError as problem:
                log.info("sight.later", reason=str(problem))
            except Exception:
                log.exception("sight.broken")
            with suppress(TimeoutError):
                async with asyncio.timeout(min(self._every.total_seconds(), LONGEST_SLEEP)):
                    await self._changed.wait()

    async def look(self, *, everything: bool = False) -> None:
        """Ask about those whose turn it is, or about all. Raises ProviderError where a provider can't be asked now."""
        now = self._desk.clock()
        before = now if everything else now - self._every
        while found := await self._desk.storage.subscriptions.to_check(before, AT_ONCE):
            for one in found:
                await self._ask(one, now)

    async def _ask(self, one: Subscription, now: datetime) -> None:
        provider = one.provider
        own = self._desk.clients.at(provider).of(one.team, one.created_by).apps
        try:
            if not await self._is_linked(one, provider):
                await self._stop(one, now, "the one who made it has unlinked their account, or has left")
                return
            scope = await own_scope(own, one.app)
        except (NotFound, NoAccess):
            await self._stop(one, now, f"the one who made it can't see the app at {provider.label} any more")
        except (NotConnected, BadToken):
            since = one.unsure_since or now
            if now - since >= PATIENCE:
                why = f"{provider.label} does not take the token any more of the one who made it"
                await self._stop(one, now, why)
            else:
                await self._desk.storage.subscriptions.checked(one, now, one.scope, unsure_since=since)
        else:
            await self._desk.storage.subscriptions.checked(one, now, scope)

    async def _is_linked(self, one: Subscription, provider: Provider) -> bool:
        account = await self._desk.storage.of(one.team).accounts.find(one.created_by, provider)
        return account is not None

    async def _stop(self, one: Subscription, now: datetime, why: str) -> None:
        storage = self._desk.storage
        if not await storage.of(one.team).subscriptions.stop_one(one, Stopped.UNSEEN, now):
            # It was paused already, was stopped meanwhile, or the whole workspace has gone: nobody needs to hear of it.
            await storage.subscriptions.checked(one, now, one.scope, unsure_since=one.unsure_since)
            return
        entry = Entry(
            event=Event.DONE,
            act="stop_subscription",
            personal=Personal(person=one.created_by),
            channel=one.channel,
            app=one.app.slug if one.app is not None else "",
            about={"subscription": str(one.id)},
            answer=why,
        )
        await storage.of(one.team).audit.append(entry, now)
        message = messages.unseen(one.app, one.terms, by=one.created_by, why=why, provider=one.provider)
        parcel = f"unseen-{one.id}-{now:%Y%m%d%H%M%S%f}"
        await storage.messages.owe(parcel, one.recipient, "notice unseen", message.encode(), now)
        self._desk.outbox_changed()
        log.info("subscription.unseen", team=one.team, channel=one.channel, number=one.id)

    async def _see_to_leavers(self) -> None:
        """People who have left while nobody listened: Slack says so, if it is asked."""
        now = self._desk.clock()
        for team, person in await self._desk.storage.accounts_to_check(now - timedelta(days=1), AT_ONCE):
            caller = Caller(desk=self._desk, person=person, team=team, channel="")
            try:
                user = (await caller.slack.users_info(user=person)).get("user") or {}
            except SlackApiError as error:
                if error.response.get("error") != "user_not_found":
                    log.info("sight.person_unknown", team=team, reason=str(error.response.get("error")))
                    return
                user = {"deleted": True}
            if user.get("deleted"):
                await accounts.leave(caller)
            else:
                await self._desk.storage.account_checked(team, person, now)
