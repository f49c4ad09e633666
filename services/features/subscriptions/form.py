"""The subscription form: selection of its app, and its submission."""

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
from domain.notifications.rule import InvalidNotificationRule, NotificationRule, validate_rule
from domain.provider_errors import ProviderError
from messages import apps, subscription_form
from messages.kit import action_ids
from messages.kit.views import FormValues
from messages.subscription_form import APP, CHANNEL, MORE, SubscriptionForm, SubscriptionOrigin, digest_terms
from services.events import UserActed
from services.features.subscriptions import commands
from services.request.context import RequestContext
from services.request.errors import UserError
from services.request.finder import app_by_slug
from services.request.form_submission import FormHandler, FormSubmission
from services.request.forms import SubmissionFlow
from services.request.interactions import ViewAction, ViewActionHandler

CHANNEL_NOTIFIED = "🔔 Done; the channel was told."


async def submit_subscription(form: FormSubmission) -> None:
    """Add the subscription, or change it."""
    origin, context = SubscriptionOrigin.read(form.metadata), form.context
    changed = _change(origin, form.values, context) if origin.number else _add(origin, form.values, context)
    await form.run(changed, _submission_flow(origin, form.values, context))
    context.services.events.publish(UserActed(context.team, context.person))


async def select_app(action: ViewAction) -> None:
    """Show the lists of the selected app; the rest of the input stays."""
    origin = SubscriptionOrigin.read(action.metadata)
    selected_app = _read_app(action.state)
    about = {"app": selected_app.slug, "provider": selected_app.provider} if selected_app else {"app": ""}
    origin = origin.model_copy(update=about)
    filled = subscription_form.read_subscription(action.state)
    await action.context.update_view(
        action.view_id,
        subscription_form.subscription_modal(
            selected_app,
            filled,
            action.context.services.registry.presentation_of(origin.provider),
            origin=origin,
        ),
    )


def read_subscribe_command(
    values: dict[str, Any], before: NotificationRule, parser: CommandParser
) -> Subscribe:
    """Return the subscription from the input of the form. Raises CommandError, which names the wrong word.

    `values` is the view's state as Slack sends it. Parts that the form does not show stay as in the rule `before`.
    """
    provider = parser.provider
    filled = subscription_form.read_subscription(values)
    example = parser.subscribe_example
    more = _remove_old_digest_times(filled, before)
    try:
        # If no style was typed, add the selected one: which other words are valid depends on it.
        styles = [token.text for token in tokenize(more) if token.key == "style"]
        line = f"subscribe {more}" if styles else f"subscribe style:{filled.style} {more}"
        typed = parse(line, surface="slash", parser=parser)
    except CommandError as error:
        raise CommandError(error.problem, example=example, provider=provider) from error
    if not isinstance(typed, Subscribe) or typed.app is not None or typed.preview:
        reason = "Here only filters and times can be typed, each with its name."
        raise CommandError(reason, example=example, provider=provider)
    if filled.style not in (typed.terms.style, before.style):
        reason = (
            f"Another style was picked in the field above: take style:{styles[-1]} away, or pick it there."
        )
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
    old = digest_terms(before).split()
    return " ".join(word for word in filled.more.split(" ") if word not in old) if old else filled.more


async def _change(origin: SubscriptionOrigin, values: dict[str, Any], context: RequestContext) -> str:
    subscription = await commands.find_subscription(origin.number, context)
    parser = context.services.registry.get(subscription.provider).parser
    command = read_subscribe_command(values, subscription.terms, parser)
    terms = await commands.resolve_rule(command, context)
    changed = await commands.change(subscription, terms, context)
    return CHANNEL_NOTIFIED if changed else "Nothing has changed."


async def _add(origin: SubscriptionOrigin, values: dict[str, Any], context: RequestContext) -> str:
    selected_app = _read_app(values)
    provider = selected_app.provider if selected_app is not None else origin.provider
    command = read_subscribe_command(
        values, NotificationRule(), context.services.registry.get(provider).parser
    )
    app = await app_by_slug(context, selected_app.slug if selected_app is not None else "", provider)
    channel = FormValues(values).conversation(CHANNEL) or await context.direct_message_alone()
    channel_context = replace(context, channel=channel)
    rule = await commands.resolve_rule(command, channel_context)
    existing = await commands.subscribe_channel(app, rule, channel_context)
    if existing is not None:
        raise UserError(existing.message.text)
    return CHANNEL_NOTIFIED


def _submission_flow(
    origin: SubscriptionOrigin, values: dict[str, Any], context: RequestContext
) -> SubmissionFlow[str]:
    filled, selected_app = subscription_form.read_subscription(values), _read_app(values)
    if selected_app is not None:
        origin = origin.model_copy(update={"provider": selected_app.provider})
    return SubmissionFlow(
        waiting=subscription_form.subscription_notice(f"⏳ Asking {origin.provider.label}…"),
        done=subscription_form.subscription_notice,
        again=lambda problem: subscription_form.subscription_modal(
            selected_app,
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


def _read_app(values: dict[str, Any]) -> App | None:
    filled = FormValues(values)
    return apps.read_any_app(filled.picked(APP) or "", filled.picked_words(APP))


FORMS: Mapping[str, FormHandler] = {action_ids.SUBSCRIPTION_MODAL: submit_subscription}
APP_SELECTIONS: Mapping[str, ViewActionHandler] = {action_ids.SUBSCRIPTION_MODAL: select_app}
