"""Opening the modals: quickly, since a trigger_id lives three seconds, and filled in with what is known."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import StringConstraints, ValidationError

from bot import messages
from bot.build import App
from bot.commands import TriggerBuild
from bot.messages import (
    BuildButton,
    Filled,
    LogButton,
    NotAButton,
    Origin,
    Sought,
    StartForm,
    StartOrigin,
    SubscriptionOrigin,
    Wishes,
)
from bot.provider import Provider
from bot.slack_ids import SlackId
from handlers.answers import personal
from handlers.answers.subscriptions import of_this_caller
from handlers.caller import Caller
from handlers.finding import NotNamed
from handlers.saying import Pressed


class AbortOrigin(Origin):
    """Also the button that was pressed, and the message or modal that it was pressed on."""

    button: BuildButton
    ts: Annotated[str, StringConstraints(pattern=re.compile(r"^\d{1,12}\.\d{1,8}\Z"))] | None = None
    response_url: str | None = None
    unfurled: str | None = None
    view: SlackId | None = None

    @classmethod
    def decode(cls, private_metadata: str) -> AbortOrigin:
        """From private_metadata. Raises NotAButton: without the button there is nothing to abort."""
        try:
            return cls.model_validate_json(private_metadata)
        except ValidationError as error:
            raise NotAButton from error


async def open_abort(
    button: BuildButton, caller: Caller, pressed: Pressed | None, response_url: str | None
) -> None:
    """Ask why the build is to be aborted; it is looked up only when that is known. Raises SlackCallFailed."""
    origin = AbortOrigin(
        button=button,
        channel=caller.channel,
        ts=pressed.ts if pressed else None,
        unfurled=pressed.unfurled if pressed else None,
        response_url=response_url,
        view=caller.pane.id if caller.pane is not None and not caller.pane.home else None,
    )
    await caller.show(messages.abort_modal(button, private_metadata=origin.encode()))


async def open_start(caller: Caller, app: App | None = None) -> None:
    """Ask what to build, filled in with what the person started last of the app. Raises NotNamed, SlackCallFailed."""
    _check(caller)
    starts = caller.storage.starts
    slug = app.slug if app is not None else await starts.last_app(caller.person)
    before = await starts.last(caller.person, slug) if slug else None
    if app is None and slug and before is not None:
        app = App(slug=slug, title=before.app or slug)
    form = StartForm.of(before or TriggerBuild())
    origin = StartOrigin(
        channel=caller.channel, app=app.slug if app is not None else "", rows=tuple(form.variables)
    )
    await caller.show(messages.start_modal(form, app, origin=origin, remembered=before is not None))


def _check(caller: Caller) -> None:
    if not caller.trigger_id:
        raise NotNamed("Slack opens dialogs only from a command, a button or a shortcut.")


async def open_subscription(number: int, caller: Caller) -> None:
    """Show a subscription as it is, to be changed. Raises NotNamed, TooLongForAModal, SlackCallFailed."""
    subscription = await of_this_caller(number, caller)
    app = subscription.app
    origin = SubscriptionOrigin(
        channel=caller.channel,
        app=app.slug if app else "",
        provider=subscription.provider,
        number=subscription.id,
    )
    await caller.show(messages.subscription_modal(app, Filled.of(subscription.terms), origin=origin))


async def open_subscribe(caller: Caller, provider: Provider, app: App | None = None) -> None:
    """Ask what is to be told, where; apps are looked for at `provider` first. Raises NotNamed, SlackCallFailed."""
    _check(caller)
    origin = SubscriptionOrigin(channel=caller.channel, app=app.slug if app else "", provider=provider)
    await caller.show(messages.subscription_modal(app, Filled(), origin=origin))


async def open_find(caller: Caller) -> None:
    """Ask which build. Raises NotNamed, SlackCallFailed."""
    _check(caller)
    await caller.show(messages.find_modal(Sought(), origin=Origin(channel=caller.channel)))


async def open_choose_app(caller: Caller, provider: Provider) -> None:
    """Ask which of the provider's apps is the channel's. Raises NotNamed, SlackCallFailed."""
    _check(caller)
    origin = Origin(channel=caller.channel, provider=provider)
    await caller.show(messages.choose_app_modal(origin=origin))


async def open_search(about: LogButton, caller: Caller) -> None:
    """Ask which word to look for in a log. Raises NotNamed, SlackCallFailed."""
    _check(caller)
    await caller.show(messages.search_modal(about))


async def open_settings(caller: Caller) -> None:
    """Ask who the person is at Bitrise. Raises NotNamed, SlackCallFailed."""
    _check(caller)
    person = await caller.storage.people.find(caller.person)
    wishes = Wishes(name=person.name, mention=person.mention, ends=await personal.ends_told(caller))
    await caller.show(messages.settings_modal(wishes, origin=Origin(channel=caller.channel)))
