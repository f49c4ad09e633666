"""Checks that the creator of a subscription still has access to its apps, and stops the subscription if not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from domain.audit_chain import AuditEntry, Event, PersonalFields
from domain.message import Recipient
from domain.provider import Provider
from domain.provider_errors import Forbidden, InvalidToken, NotConnected, NotFound, ProviderError
from domain.subscription import AccessSource, Scope, Subscription
from domain.unit import Unit
from messages import subscriptions as message_subscriptions
from services.accounts.provider_clients import Clients
from services.accounts.user_accounts import UserAccounts
from services.features.accounts import commands
from services.features.subscriptions import commands as subscription_commands
from services.jobs.background_job import BackgroundJob
from services.polling.poller import Pollers
from services.provider_description import ProviderDescription, ProviderRegistry
from services.request.app_visibility import ACCESS_GRACE_PERIOD
from services.request.context import RequestContext
from services.request.user_channels import find_subscribed_apps, own_scope
from services.slack.errors import SlackCallFailed
from services.slack.workspace_members import MembershipUnknown, NotAMember
from storage.accounts import Account
from storage.repositories import Repositories

log = structlog.get_logger()

EVERY = timedelta(hours=1)
AT_ONCE = 50
LONGEST_SLEEP = 300.0
# The delay up to which a check still counts as made in time.
TOLERANCE = timedelta(minutes=15)
CREATOR_GONE = "The person who added this disconnected their account, or left."
ACCESS_LOST = "The person who added this can't see the app at {provider} any more."
ACCOUNT_REFUSED = "{provider} rejected the token of the person who added this."
PROVIDER_SILENT = "{provider} hasn't confirmed for a day that the person who added this can see the app."
MEMBER_UNKNOWN = "Slack hasn't confirmed for a day that the person who added this belongs to this workspace."
SLACK_SILENT = "Slack hasn't said for a day which channels the person who added this is in."
NOT_SUBSCRIBED = (
    "No channel of the person who added this is subscribed to the app, and they have no connected account."
)


class AccessChecker(BackgroundJob):
    """Checks each subscription once in `every`, with its creator's own token.

    `context_for` makes the request context of a person of a workspace outside of any channel.
    """

    name = "access checks"
    unit = Unit.CHECK_ACCESS
    is_exclusive = True
    retry_seconds = LONGEST_SLEEP
    error_event = "sight.broken"

    def __init__(
        self,
        clients: Clients,
        storage: Repositories,
        pollers: Pollers,
        *,
        registry: ProviderRegistry[ProviderDescription],
        context_for: Callable[[str, str], RequestContext],
        clock: Callable[[], datetime],
        every: timedelta = EVERY,
    ) -> None:
        super().__init__()
        self._clients = clients
        self._storage = storage
        self._pollers = pollers
        self._registry = registry
        self._context_for = context_for
        self._clock = clock
        self._every = every
        self._unreported: list[tuple[Subscription, str]] = []

    async def run_once(self) -> float | None:
        """Check what is due."""
        await self._check_departed_users()
        await self.check()
        return min(self._every.total_seconds(), LONGEST_SLEEP)

    async def check(self) -> None:
        """Check the subscriptions that are due; one that can't be checked now is due again at the next check.

        A failed check does not stop the others.
        """
        now = self._clock()
        acting = [clients.provider for clients in self._clients.all if clients.service_acts]
        unavailable: set[Provider] = set()
        checked: set[tuple[str, int]] = set()
        try:
            await self._check_due(now, unavailable, checked, acting)
        finally:
            await self._notify_stopped(now)

    async def _check_due(
        self,
        now: datetime,
        unavailable: set[Provider],
        checked: set[tuple[str, int]],
        acting: Sequence[Provider],
    ) -> None:
        while True:
            available = [
                clients.provider for clients in self._clients.all if clients.provider not in unavailable
            ]
            found = await self._storage.subscriptions.to_check(
                now - self._every, AT_ONCE, providers=available, acting=acting
            )
            # A subscription that was changed during its check is still due; it is left to the next check.
            new = [
                subscription for subscription in found if (subscription.team, subscription.id) not in checked
            ]
            if not new:
                return
            for subscription in new:
                checked.add((subscription.team, subscription.id))
                account = await self._find_account(subscription)
                if subscription.provider in unavailable and account is not None and account.works:
                    continue
                try:
                    await self._check_subscription(subscription, now, account)
                except ProviderError as problem:
                    log.info("sight.later", provider=subscription.provider, reason=str(problem))
                    await self._pollers.refresh()
                    if self._pollers.outage(subscription.provider) is not None:
                        unavailable.add(subscription.provider)  # the provider answers nobody
                    else:
                        await self._record_doubt(
                            self._clear_stale_doubt(subscription, now), now, account, PROVIDER_SILENT
                        )

    async def _check_subscription(
        self, subscription: Subscription, now: datetime, account: Account | None
    ) -> None:
        """Check which apps the creator has access to, and store the result. Raises ProviderError if unknown now."""
        uses_service_token = subscription.scope.seen_as is AccessSource.SERVICE
        if account is None or (uses_service_token and not account.works):
            if uses_service_token:
                await self._check_service_subscription(subscription, now, account)
            else:
                await self._stop(subscription, now, account, CREATOR_GONE)
            return
        if subscription.checked_at is None:
            # The account may have changed: nothing counts that was read with the one before.
            self._clients.forget_person(subscription.team, subscription.created_by)
        creator = UserAccounts(self._storage, subscription.team, subscription.created_by)
        own = self._clients.at(subscription.provider).for_user(creator)
        try:
            scope = await own_scope(own.apps, subscription.app)
        except (NotFound, Forbidden):
            if uses_service_token and not subscription.channel.startswith("D"):
                await self._mark_checked(subscription, now, account, subscription.scope)
            else:
                await self._stop(subscription, now, account, ACCESS_LOST)
        except MembershipUnknown:
            await self._record_doubt(subscription, now, account, MEMBER_UNKNOWN)
        except NotAMember:
            await self._stop(subscription, now, account, CREATOR_GONE)
        except (NotConnected, InvalidToken):
            await self._record_doubt(subscription, now, account, ACCOUNT_REFUSED)
        else:
            # From now on it shows what the creator has access to, even if it was made with the bot's token.
            await self._storage.subscriptions.mark_confirmed(
                subscription, now, scope, account=account.connected_at
            )

    async def _check_service_subscription(
        self, subscription: Subscription, now: datetime, account: Account | None
    ) -> None:
        """Check a subscription with the bot's own access whose creator has no working account.

        A channel's subscription from when the bot's token acted for all keeps its notifications, but gives nobody more
        access. A direct message's covers what the creator's channels follow.
        """
        if not subscription.channel.startswith("D"):
            await self._mark_checked(subscription, now, account, subscription.scope)
            return
        creator = self._context_for(subscription.team, subscription.created_by)
        try:
            followed = await find_subscribed_apps(creator, subscription.provider)
        except SlackCallFailed as error:
            log.info("sight.places_unknown", team=subscription.team, reason=error.reason)
            await self._record_doubt(subscription, now, account, SLACK_SILENT)
            return
        if subscription.app is None:
            await self._mark_checked(
                subscription, now, account, subscription.scope.model_copy(update={"apps": followed})
            )
        elif subscription.app.slug in followed:
            await self._mark_checked(subscription, now, account, subscription.scope)
        else:
            await self._stop(subscription, now, account, NOT_SUBSCRIBED)

    async def _find_account(self, subscription: Subscription) -> Account | None:
        return await self._storage.of(subscription.team).accounts.find(
            subscription.created_by, subscription.provider
        )

    async def _mark_checked(
        self,
        subscription: Subscription,
        now: datetime,
        account: Account | None,
        scope: Scope,
        unsure_since: datetime | None = None,
    ) -> None:
        since = account.connected_at if account is not None else None
        subscriptions = self._storage.subscriptions
        await subscriptions.mark_checked(subscription, now, scope, account=since, unsure_since=unsure_since)

    async def _record_doubt(
        self, subscription: Subscription, now: datetime, account: Account | None, reason: str
    ) -> None:
        """Record that the creator's access is unknown; stop the subscription after a day of that."""
        since = subscription.unsure_since or now
        if now - since >= ACCESS_GRACE_PERIOD:
            await self._stop(subscription, now, account, reason)
        else:
            await self._mark_checked(subscription, now, account, subscription.scope, unsure_since=since)

    def _clear_stale_doubt(self, subscription: Subscription, now: datetime) -> Subscription:
        """Return the subscription; without its doubt if that is from an outage of the provider or of the bot."""
        was_checked = (
            subscription.checked_at is not None
            and now - subscription.checked_at < 2 * self._every + TOLERANCE
        )
        return subscription if was_checked else subscription.model_copy(update={"unsure_since": None})

    async def _stop(
        self, subscription: Subscription, now: datetime, account: Account | None, reason: str
    ) -> None:
        """Stop the subscription, because its creator has lost access, and let its channel be notified."""
        storage, reason = self._storage, reason.replace("{provider}", subscription.provider.label)
        since = account.connected_at if account is not None else None
        if not await storage.of(subscription.team).subscriptions.stop_without_access(
            subscription, now, account=since
        ):
            return  # it was not running, or its creator or their account has changed: no notice is needed
        if subscription.terms.run:
            return  # nobody subscribed to anything: the run's message shows the loss
        entry = AuditEntry(
            event=Event.DONE,
            act="stop_subscription",
            personal=PersonalFields(person=subscription.created_by),
            channel=subscription.channel,
            app=subscription.app.slug if subscription.app is not None else "",
            about={"subscription": str(subscription.number)},
            answer=reason,
        )
        await storage.of(subscription.team).audit_log.append(entry, now)
        self._unreported.append((subscription, reason))
        log.info(
            "subscription.unseen",
            team=subscription.team,
            channel=subscription.channel,
            number=subscription.id,
        )

    async def _notify_stopped(self, now: datetime) -> None:
        """Notify each channel of its stopped subscriptions, in one message per reason."""
        groups: dict[tuple[Recipient, str, Provider, str], list[Subscription]] = {}
        for subscription, reason in self._unreported:
            groups.setdefault(
                (subscription.recipient, subscription.created_by, subscription.provider, reason), []
            ).append(subscription)
        self._unreported.clear()
        for (to, by, provider, reason), stopped in groups.items():
            rows = [
                subscription_commands.subscription_row(subscription, self._registry)
                for subscription in stopped
            ]
            message = message_subscriptions.access_lost(rows, by=by, why=reason, provider=provider)
            parcel = f"unseen-{stopped[0].id}-{now:%Y%m%d%H%M%S%f}"
            await self._storage.slack_messages.enqueue(parcel, to, "notice unseen", message.encode(), now)

    async def _check_departed_users(self) -> None:
        """Ask Slack daily for people with an account, to find those who left while the bot was not running."""
        now = self._clock()
        unanswered: set[str] = set()
        for team, person in await self._storage.accounts_to_check(now - timedelta(days=1), AT_ONCE):
            if team in unanswered:
                continue
            context = self._context_for(team, person)
            try:
                user = (await context.slack.users_info(user=person)).get("user") or {}
            except SlackCallFailed as error:
                if error.reason != "user_not_found":
                    # A workspace for which Slack does not answer must not block the others.
                    log.info("sight.person_unknown", team=team, reason=error.reason)
                    unanswered.add(team)
                    await self._storage.mark_account_checked(team, person, now)
                    continue
                user = {"deleted": True}
            if user.get("deleted"):
                await commands.remove_departed_user(context)
            else:
                await self._storage.mark_account_checked(team, person, now)
