"""Checks whether people still see what their subscriptions show: a channel learns no more than their creator sees."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from domain.audit_log import AuditEntry, Event, PersonalFields
from domain.errors import Forbidden, InvalidToken, NotConnected, NotFound, ProviderError
from domain.provider import Provider
from domain.recipient import Recipient
from domain.subscription import AccessSource, Scope, Subscription
from messages import subscriptions as message_subscriptions
from services.accounts.provider_clients import Clients
from services.features.accounts import commands
from services.features.subscriptions import commands as subscription_commands
from services.features.subscriptions.scope import find_subscribed_apps, own_scope
from services.polling.pollers import Pollers
from services.provider_spec import ProviderRegistry
from services.request.app_visibility import ACCESS_GRACE_PERIOD
from services.request.context import RequestContext
from services.slack.errors import SlackCallFailed
from services.slack.workspace_members import MembershipUnknown, NotAMember
from storage.accounts import Account
from storage.repositories import Repositories

log = structlog.get_logger()

EVERY = timedelta(hours=1)
AT_ONCE = 50
LONGEST_SLEEP = 300.0
# By how much a question may come too late without being taken for one that was not asked.
SLACK = timedelta(minutes=15)
GONE = "the one who made it has unlinked their account, or has left"
SEES_NOT = "the one who made it can't see the app at {provider} any more"
REFUSED = "{provider} does not take the token any more of the one who made it"
SILENT = "{provider} has not said for a day whether the one who made it still sees the app"
MEMBER_UNKNOWN = "Slack has not said for a day whether the one who made it still belongs here"
SLACK_SILENT = "Slack has not said for a day in which channels the one who made it is"
UNFOLLOWED = "no channel that its maker is in follows the app any more, and they have linked no account"


class AccessChecker:
    """Asks the provider with each creator's own token, each once in `every`.

    `context_for` makes the request context of a person of a workspace who is in no channel. `changed` says that there
    is something to check, and `outbox_changed` is called where a message waits to be sent.
    """

    def __init__(
        self,
        clients: Clients,
        storage: Repositories,
        pollers: Pollers,
        changed: asyncio.Event,
        *,
        registry: ProviderRegistry,
        context_for: Callable[[str, str], RequestContext],
        outbox_changed: Callable[[], None],
        clock: Callable[[], datetime],
        every: timedelta = EVERY,
    ) -> None:
        self._clients = clients
        self._storage = storage
        self._pollers = pollers
        self._changed = changed
        self._registry = registry
        self._context_for = context_for
        self._outbox_changed = outbox_changed
        self._clock = clock
        self._every = every
        self._stopping = False
        self._stopped: list[tuple[Subscription, str]] = []

    def stop(self) -> None:
        """End `run`."""
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Check access until stopped; no failure ends it."""
        while not self._stopping:
            self._changed.clear()
            try:
                await self._check_leavers()
                await self.check()
            except Exception:
                log.exception("sight.broken")
            with suppress(TimeoutError):
                async with asyncio.timeout(min(self._every.total_seconds(), LONGEST_SLEEP)):
                    await self._changed.wait()

    async def check(self) -> None:
        """Check the subscriptions that are due; what can't be asked now is asked again at the next check.

        One that can't be checked keeps none of the others from it.
        """
        now = self._clock()
        acting = [one.provider for one in self._clients.all if one.service_acts]
        away: set[Provider] = set()
        asked: set[tuple[str, int]] = set()
        try:
            await self._check_due(now, away, asked, acting)
        finally:
            await self._say_stopped(now)

    async def _check_due(
        self, now: datetime, away: set[Provider], asked: set[tuple[str, int]], acting: Sequence[Provider]
    ) -> None:
        while True:
            there = [one.provider for one in self._clients.all if one.provider not in away]
            found = await self._storage.subscriptions.to_check(
                now - self._every, AT_ONCE, providers=there, acting=acting
            )
            # One that was changed while it was asked about is due still: the next look takes it.
            new = [one for one in found if (one.team, one.id) not in asked]
            if not new:
                return
            for one in new:
                asked.add((one.team, one.id))
                account = await self._account(one)
                if one.provider in away and account is not None and account.works:
                    continue
                try:
                    await self._ask(one, now, account)
                except ProviderError as problem:
                    log.info("sight.later", provider=one.provider, reason=str(problem))
                    if self._pollers.outage(one.provider) is not None:
                        away.add(one.provider)  # nobody is answered there
                    else:
                        await self._doubt(self._since_it_answers(one, now), now, account, SILENT)

    async def _ask(self, one: Subscription, now: datetime, account: Account | None) -> None:
        """Ask what its maker sees, and note it. Raises ProviderError where that can't be said now."""
        bots = one.scope.seen_as is AccessSource.SERVICE
        if account is None or (bots and not account.works):
            if bots:
                await self._ask_for_bots(one, now, account)
            else:
                await self._stop(one, now, account, GONE)
            return
        own = self._clients.at(one.provider).for_person(one.team, one.created_by).apps
        try:
            scope = await own_scope(own, one.app)
        except (NotFound, Forbidden):
            if bots and not one.channel.startswith("D"):
                await self._note(one, now, account, one.scope)
            else:
                await self._stop(one, now, account, SEES_NOT)
        except MembershipUnknown:
            await self._doubt(one, now, account, MEMBER_UNKNOWN)
        except NotAMember:
            await self._stop(one, now, account, GONE)
        except (NotConnected, InvalidToken):
            await self._doubt(one, now, account, REFUSED)
        else:
            # From now on it shows what they see, also if the bot's token acted for all when it was made.
            await self._storage.subscriptions.mark_confirmed(one, now, scope, account=account.connected_at)

    async def _ask_for_bots(self, one: Subscription, now: datetime, account: Account | None) -> None:
        """One that shows the bot's own access, made by somebody without an account.

        A channel's is from when the bot's token acted for all: it is told, and nobody is shown more for it. Somebody's
        own is told of what the channels follow in which they are.
        """
        if not one.channel.startswith("D"):
            await self._note(one, now, account, one.scope)
            return
        maker = self._context_for(one.team, one.created_by)
        try:
            followed = await find_subscribed_apps(maker, one.provider)
        except SlackCallFailed as error:
            log.info("sight.places_unknown", team=one.team, reason=error.reason)
            await self._doubt(one, now, account, SLACK_SILENT)
            return
        if one.app is None:
            await self._note(one, now, account, one.scope.model_copy(update={"apps": followed}))
        elif one.app.slug in followed:
            await self._note(one, now, account, one.scope)
        else:
            await self._stop(one, now, account, UNFOLLOWED)

    async def _account(self, one: Subscription) -> Account | None:
        return await self._storage.of(one.team).accounts.find(one.created_by, one.provider)

    async def _note(
        self,
        one: Subscription,
        now: datetime,
        account: Account | None,
        scope: Scope,
        unsure_since: datetime | None = None,
    ) -> None:
        since = account.connected_at if account is not None else None
        subscriptions = self._storage.subscriptions
        await subscriptions.mark_checked(one, now, scope, account=since, unsure_since=unsure_since)

    async def _doubt(self, one: Subscription, now: datetime, account: Account | None, why: str) -> None:
        """Nobody can say what its maker sees: that is given some time."""
        since = one.unsure_since or now
        if now - since >= ACCESS_GRACE_PERIOD:
            await self._stop(one, now, account, why)
        else:
            await self._note(one, now, account, one.scope, unsure_since=since)

    def _since_it_answers(self, one: Subscription, now: datetime) -> Subscription:
        """The subscription without the doubts of a time in which its provider answered nobody, or the bot was away."""
        asked = one.checked_at is not None and now - one.checked_at < 2 * self._every + SLACK
        return one if asked else one.model_copy(update={"unsure_since": None})

    async def _stop(self, one: Subscription, now: datetime, account: Account | None, why: str) -> None:
        """Its maker sees it no more: show it no more, and stop it where it runs, which its channel is told."""
        storage, why = self._storage, why.replace("{provider}", one.provider.label)
        since = account.connected_at if account is not None else None
        if not await storage.of(one.team).subscriptions.stop_without_access(one, now, account=since):
            return  # it was told nothing anyhow, or is another one's meanwhile: nobody needs to hear of it
        if one.terms.run:
            self._outbox_changed()  # nobody has subscribed to anything: its message says so
            return
        entry = AuditEntry(
            event=Event.DONE,
            act="stop_subscription",
            personal=PersonalFields(person=one.created_by),
            channel=one.channel,
            app=one.app.slug if one.app is not None else "",
            about={"subscription": str(one.number)},
            answer=why,
        )
        await storage.of(one.team).audit_log.append(entry, now)
        self._stopped.append((one, why))
        log.info("subscription.unseen", team=one.team, channel=one.channel, number=one.id)

    async def _say_stopped(self, now: datetime) -> None:
        """Tell each channel of all its subscriptions that have stopped for one reason, in one message."""
        together: dict[tuple[Recipient, str, Provider, str], list[Subscription]] = {}
        for one, why in self._stopped:
            together.setdefault((one.recipient, one.created_by, one.provider, why), []).append(one)
        self._stopped.clear()
        for (to, by, provider, why), ended in together.items():
            rows = [subscription_commands.subscription_row(one, self._registry) for one in ended]
            message = message_subscriptions.access_lost(rows, by=by, why=why, provider=provider)
            parcel = f"unseen-{ended[0].id}-{now:%Y%m%d%H%M%S%f}"
            await self._storage.slack_messages.enqueue(parcel, to, "notice unseen", message.encode(), now)
            self._outbox_changed()

    async def _check_leavers(self) -> None:
        """People who have left while nobody listened: Slack says so, if it is asked."""
        now = self._clock()
        silent: set[str] = set()
        for team, person in await self._storage.accounts_to_check(now - timedelta(days=1), AT_ONCE):
            if team in silent:
                continue
            context = self._context_for(team, person)
            try:
                user = (await context.slack.users_info(user=person)).get("user") or {}
            except SlackCallFailed as error:
                if error.reason != "user_not_found":
                    # A workspace whose Slack does not answer must not keep the others' people from being asked about.
                    log.info("sight.person_unknown", team=team, reason=error.reason)
                    silent.add(team)
                    await self._storage.mark_account_checked(team, person, now)
                    continue
                user = {"deleted": True}
            if user.get("deleted"):
                await commands.remove_departed_user(context)
            else:
                await self._storage.mark_account_checked(team, person, now)
