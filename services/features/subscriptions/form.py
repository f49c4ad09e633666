"""The modal that makes or changes a subscription: its app, and its submission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from domain.build import App
from domain.commands.command_line import parse
from domain.commands.errors import CommandError
from domain.commands.parser import CommandParser
from domain.commands.shared_commands import Subscribe
from domain.commands.tokenizer import tokenize
from domain.errors import ProviderError
from domain.notifications.rule import InvalidNotificationRule, NotificationRule, validate_rule
from messages import apps, subscription_form
from messages.kit import action_ids
from messages.kit.views import FormValues
from messages.subscription_form import APP, CHANNEL, MORE, SubscriptionForm, SubscriptionOrigin, digest_terms
from services.features.subscriptions import commands
from services.request.context import RequestContext
from services.request.finder import UserError, app_by_slug
from services.request.form_submission import FormHandler, FormSubmission
from services.request.forms import SubmissionFlow
from services.request.interactions import ViewAction, ViewActionHandler

CHANNEL_TOLD = "🔔 Done; the channel was told."


async def submit_subscription(form: FormSubmission) -> None:
    """Make the subscription, or change it."""
    origin, context = SubscriptionOrigin.read(form.metadata), form.context
    changed = _change(origin, form.values, context) if origin.number else _make(origin, form.values, context)
    await form.run(changed, _course(origin, form.values, context))
    context.services.events.home_changed(context.team, context.person)


async def select_app(action: ViewAction) -> None:
    """Let the lists be those of the app that was picked; all else stays as it is in the modal."""
    origin = SubscriptionOrigin.read(action.metadata)
    picked = _picked(action.state)
    about = {"app": picked.slug, "provider": picked.provider} if picked else {"app": ""}
    origin = origin.model_copy(update=about)
    filled = subscription_form.read_subscription(action.state)
    await action.context.update_view(
        action.view_id,
        subscription_form.subscription_modal(
            picked,
            filled,
            action.context.services.registry.presentation_of(origin.provider),
            origin=origin,
        ),
    )


def read_subscribe_command(
    values: dict[str, Any], before: NotificationRule, parser: CommandParser
) -> Subscribe:
    """Return the subscription as it was filled in over the rule `before`. Raises CommandError, which names the word.

    `values` is the view's state as Slack sends it. What the form does not show stays as it was.
    """
    provider = parser.provider
    filled = subscription_form.read_subscription(values)
    example = parser.subscribe_example
    more = _without_old_times(filled, before)
    try:
        # With the style that was picked, where none was typed: what can be typed beside it depends on it.
        styles = [one.text for one in tokenize(more) if one.key == "style"]
        line = f"subscribe {more}" if styles else f"subscribe style:{filled.style} {more}"
        typed = parse(line, surface="slash", parser=parser)
    except CommandError as error:
        raise CommandError(error.problem, example=example, provider=provider) from error
    if not isinstance(typed, Subscribe) or typed.app is not None or typed.preview:
        wrong = "Here only filters and times can be typed, each with its name."
        raise CommandError(wrong, example=example, provider=provider)
    if filled.style not in (typed.terms.style, before.style):
        wrong = (
            f"Another style was picked in the field above: take style:{styles[-1]} away, or pick it there."
        )
        raise CommandError(wrong, example=example, provider=provider)
    try:
        terms = filled.merge_into(typed.terms)
    except InvalidNotificationRule as problem:
        raise CommandError(str(problem), example=example, provider=provider) from problem
    kept = {
        "once": before.once,
        "zone": terms.zone if typed.zone_given else before.zone,
        "filter": terms.filter.model_copy(update={"builds": before.filter.builds}),
    }
    terms = terms.model_copy(update=kept)
    try:
        validate_rule(terms)
    except InvalidNotificationRule as problem:
        example = "subscribe style:each status:failed"
        raise CommandError(str(problem), example=example, provider=provider) from problem
    return typed.model_copy(update={"terms": terms, "zone_given": terms.zone != NotificationRule().zone})


def _without_old_times(filled: SubscriptionForm, before: NotificationRule) -> str:
    """What was typed, without the times of the digest that the subscription was, if it is to be none any more."""
    if filled.style is before.style:
        return filled.more
    old = digest_terms(before).split()
    return " ".join(word for word in filled.more.split(" ") if word not in old) if old else filled.more


async def _change(origin: SubscriptionOrigin, values: dict[str, Any], context: RequestContext) -> str:
    subscription = await commands.find_subscription(origin.number, context)
    parser = context.services.registry.get(subscription.provider).parser
    command = read_subscribe_command(values, subscription.terms, parser)
    terms = await commands.resolve_rule(command, context)
    changed = await commands.change(subscription, terms, context)
    return CHANNEL_TOLD if changed else "Nothing has changed."


async def _make(origin: SubscriptionOrigin, values: dict[str, Any], context: RequestContext) -> str:
    picked = _picked(values)
    provider = picked.provider if picked is not None else origin.provider
    command = read_subscribe_command(
        values, NotificationRule(), context.services.registry.get(provider).parser
    )
    app = await app_by_slug(context, picked.slug if picked is not None else "", provider)
    channel = FormValues(values).conversation(CHANNEL) or await context.direct_message_alone()
    there = replace(context, channel=channel)
    already = await commands.subscribe_channel(app, await commands.resolve_rule(command, there), there)
    if already is not None:
        raise UserError(already.message.text)
    return CHANNEL_TOLD


def _course(
    origin: SubscriptionOrigin, values: dict[str, Any], context: RequestContext
) -> SubmissionFlow[str]:
    filled, picked = subscription_form.read_subscription(values), _picked(values)
    if picked is not None:
        origin = origin.model_copy(update={"provider": picked.provider})
    return SubmissionFlow(
        waiting=subscription_form.subscription_notice(f"⏳ Asking {origin.provider.label}…"),
        done=subscription_form.subscription_notice,
        again=lambda problem: subscription_form.subscription_modal(
            picked,
            filled,
            context.services.registry.presentation_of(origin.provider),
            origin=origin,
            problem=problem,
        ),
        refused=subscription_form.subscription_notice,
        field_of=lambda problem: _field_of(problem, origin),
    )


def _field_of(problem: BaseException, origin: SubscriptionOrigin) -> str:
    if origin.number == 0 and isinstance(problem, commands.ChannelRefused):
        return CHANNEL
    return APP if origin.number == 0 and isinstance(problem, ProviderError) else MORE


def _picked(values: dict[str, Any]) -> App | None:
    filled = FormValues(values)
    return apps.read_any_app(filled.picked(APP) or "", filled.picked_words(APP))


FORMS: Mapping[str, FormHandler] = {action_ids.SUBSCRIPTION_MODAL: submit_subscription}
APP_SELECTIONS: Mapping[str, ViewActionHandler] = {action_ids.SUBSCRIPTION_MODAL: select_app}
