"""The form that adds or changes a subscription."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from domain.build import App
from domain.commands.errors import CommandError, UserError
from domain.commands.notification_arguments import format_rule_options
from domain.commands.parser import CommandParser
from domain.commands.shared_commands import Subscribe
from domain.commands.tokenizer import tokenize
from domain.message import Block
from domain.notifications.rule import InvalidNotificationRule, NotificationRule, validate_rule
from domain.provider import Provider
from domain.provider_errors import ProviderError
from messages import apps, notices, subscription_form
from messages.kit import action_ids
from messages.kit.views import NO_INPUT, FormValues
from messages.subscription_form import APP, CHANNEL, MORE, SubscriptionForm, SubscriptionOrigin
from services.events import UserActed
from services.features.subscriptions import commands
from services.request.context import RequestContext
from services.request.finder import app_by_slug, find_channel_app_slug
from services.request.forms import Form, FormSubmission, check_may_act, opening_deadline
from services.request.interactions import ViewAction

CHANNEL_NOTIFIED = "🔔 Saved. The channel was notified."


@dataclass
class EditSubscriptionForm(Form[SubscriptionOrigin, SubscriptionForm, str]):
    """Adds or changes a subscription. `app` is the selected one, `state` the submitted state of the view."""

    callback_id = action_ids.SUBSCRIPTION_MODAL
    title = "Subscription"
    is_refusal_final = True

    app: App | None = None
    state: FormValues = NO_INPUT

    @property
    def progress(self) -> str:
        """The sentence that names the provider."""
        return f"Asking {self.origin.provider.label}…"

    @classmethod
    def read(cls, submission: FormSubmission) -> Self:
        """Read the subscription; the selected app decides on the provider."""
        origin, app = SubscriptionOrigin.read(submission.metadata), _read_app(submission.values)
        if app is not None:
            origin = origin.model_copy(update={"provider": app.provider})
        filled = subscription_form.read_subscription(submission.values)
        return cls(submission.context, origin, filled, app, submission.values)

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with its input."""
        presentation = self.context.services.registry.presentation_of(self.origin.provider)
        return subscription_form.subscription_modal(
            self.app, self.filled, presentation, origin=self.origin, problem=problem
        )

    async def submit(self) -> str:
        """Add or change the subscription; return a sentence about it. Raises CommandError, UserError, ProviderError."""
        try:
            return await (self._change() if self.origin.number else self._add())
        finally:
            self.context.services.events.publish(UserActed(self.context.team, self.context.person))

    def render_result(self, result: str) -> Block:
        """Draw the modal that says what was done."""
        return notices.notice_modal(self.title, result)

    def find_field(self, problem: BaseException) -> str:
        """Return the field: the channel or app of a new subscription, else what was typed."""
        if self.origin.number == 0 and isinstance(problem, commands.ChannelRefused):
            return CHANNEL
        return APP if self.origin.number == 0 and isinstance(problem, ProviderError) else MORE

    async def _change(self) -> str:
        subscription = await commands.find_subscription(self.origin.number, self.context)
        parser = self.context.services.registry.get(subscription.provider).parser
        command = read_subscribe_command(self.state, subscription.terms, parser)
        terms = await commands.resolve_rule(command, self.context)
        changed = await commands.change(subscription, terms, self.context)
        return CHANNEL_NOTIFIED if changed else "Nothing changed."

    async def _add(self) -> str:
        provider = self.origin.provider
        parser = self.context.services.registry.get(provider).parser
        command = read_subscribe_command(self.state, NotificationRule(), parser)
        app = await app_by_slug(self.context, self.app.slug if self.app is not None else "", provider)
        channel = self.state.conversation(CHANNEL) or await self.context.direct_message_alone()
        channel_context = self.context.in_channel(channel)
        rule = await commands.resolve_rule(command, channel_context)
        existing = await commands.subscribe_channel(app, rule, channel_context)
        if existing is not None:
            raise UserError(existing.message.text)
        return CHANNEL_NOTIFIED


async def open_subscription(number: int, context: RequestContext) -> None:
    """Open the form of a subscription, with its current values. Raises UserError, FilterTooLong, SlackCallFailed."""
    subscription = await commands.find_subscription(number, context)
    app = subscription.app
    origin = SubscriptionOrigin(
        channel=context.channel,
        app=app.slug if app else "",
        provider=subscription.provider,
        number=subscription.id,
    )
    await EditSubscriptionForm(context, origin, SubscriptionForm.of(subscription.terms), app).open()


async def open_subscribe(
    context: RequestContext, provider: Provider, app: App | None = None, *, until: float | None = None
) -> None:
    """Open the form of a new subscription; its list of apps begins with those of `provider`.

    `until` is the deadline, a time of the event loop, if part of the time has passed already.
    Raises UserError, NotConnected, SlackCallFailed.
    """
    await check_may_act(context, provider, until)
    origin = SubscriptionOrigin(channel=context.channel, app=app.slug if app else "", provider=provider)
    await EditSubscriptionForm(context, origin, SubscriptionForm(), app).open()


async def open_subscribe_unless_one_app(context: RequestContext, provider: Provider) -> bool:
    """Open the form of a new subscription, unless only one app is possible; return whether it was opened.

    Raises UserError, NotConnected, SlackCallFailed.
    """
    if await find_channel_app_slug(context, provider) is not None:
        return False
    until = opening_deadline()
    only: Sequence[App] = ()
    with suppress(TimeoutError):
        async with asyncio.timeout_at(until):
            only = await context.visible_apps(provider).list_in_time()
    if len(only) == 1:
        return False
    await open_subscribe(context, provider, until=until)
    return True


async def select_app(action: ViewAction) -> None:
    """Show the lists of the selected app; the rest of the input stays."""
    app = _read_app(action.view.values)
    about = {"app": app.slug, "provider": app.provider} if app else {"app": ""}
    origin = SubscriptionOrigin.read(action.view.private_metadata).model_copy(update=about)
    filled = subscription_form.read_subscription(action.view.values)
    form = EditSubscriptionForm(action.context, origin, filled, app)
    await action.context.update_view(action.view.id, form.render())


def read_subscribe_command(values: FormValues, before: NotificationRule, parser: CommandParser) -> Subscribe:
    """Return the subscription from the input of the form. Raises CommandError, which names the wrong word.

    Parts that the form does not show stay as in the rule `before`.
    """
    provider = parser.provider
    filled = subscription_form.read_subscription(values)
    example = parser.subscribe_example
    more = _remove_old_digest_times(filled, before)
    try:
        # If no style was typed, add the selected one: which other words are valid depends on it.
        styles = [token.text for token in tokenize(more) if token.key == "style"]
        line = f"subscribe {more}" if styles else f"subscribe style:{filled.style} {more}"
        typed = parser.parse(line, surface="slash")
    except CommandError as error:
        raise CommandError(error.problem, example=example, provider=provider) from error
    if not isinstance(typed, Subscribe) or typed.app is not None or typed.preview:
        reason = "Only options go here, each as `name:value`."
        raise CommandError(reason, example=example, provider=provider)
    if filled.style not in (typed.terms.style, before.style):
        reason = f"`style:{styles[-1]}` isn't the style selected above. Remove it, or select it there."
        raise CommandError(reason, example=example, provider=provider)
    try:
        terms = filled.merge_into(typed.terms)
    except InvalidNotificationRule as problem:
        raise CommandError(str(problem), example=example, provider=provider) from problem
    unchanged = {
        "once": before.once,
        "zone": terms.zone if typed.zone_given else before.zone,
        "filter": terms.filter.model_copy(update={"builds": before.filter.builds}),
    }
    terms = terms.model_copy(update=unchanged)
    try:
        validate_rule(terms)
    except InvalidNotificationRule as problem:
        example = "subscribe style:each status:failed"
        raise CommandError(str(problem), example=example, provider=provider) from problem
    return typed.model_copy(update={"terms": terms, "zone_given": terms.zone != NotificationRule().zone})


def _remove_old_digest_times(filled: SubscriptionForm, before: NotificationRule) -> str:
    """Return the typed text without the old digest times if the style changes."""
    if filled.style is before.style:
        return filled.more
    # Without a digest, only quiet hours would have a time zone.
    options = format_rule_options(before.model_copy(update={"quiet": None}))
    old = [f"{key}:{text}" for key, text in options if key in ("at", "on", "zone")]
    return " ".join(word for word in filled.more.split(" ") if word not in old) if old else filled.more


def _read_app(values: FormValues) -> App | None:
    return apps.read_any_app(values.picked(APP) or "", values.picked_words(APP))
