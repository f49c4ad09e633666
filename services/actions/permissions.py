"""Asking whether somebody may do what is done in the bot itself: subscribing, choosing a channel's app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from domain.access_policy import Permission, Question
from domain.audit_log import Entry, Event, Personal
from domain.build import App
from domain.provider import Provider
from messages.kit.button_values import PolicyButton
from services.actions.audit import note, noted
from services.actions.result import NotAllowed
from services.authorization.authorizer import Person, Ruling
from services.request.context import Caller


def person_of(caller: Caller) -> Person:
    """The caller, as the policy sees them."""
    return Person(team=caller.team, id=caller.person, vouched=caller.vouched)


async def ruling_on(question: Question, caller: Caller) -> Ruling:
    """Whether the caller may, and belongs here at all: one rebuilt from what is stored is asked about like any other.

    What is refused is for whoever asked to write down.
    """
    return await caller.desk.rulings.of(question, person_of(caller))


async def refusal_of(ruling: Ruling, caller: Caller, provider: Provider, app: App | None) -> NotAllowed:
    """What somebody is told who may not, with what they can do about it themselves."""
    words = ruling.refused or ""
    if not ruling.off or not await caller.is_admin():
        return NotAllowed(words, connect=ruling.connect)
    rule = PolicyButton(provider=provider, app=app.slug if app is not None else "")
    return NotAllowed(f"{words} You are an admin here, so you can add that rule.", rule=rule)


@asynccontextmanager
async def permitted(
    caller: Caller,
    act: str,
    provider: Provider,
    app: App | None,
    *,
    about: Mapping[str, str] | None = None,
) -> AsyncIterator[None]:
    """Around a change of the channel's own orders at a provider: asked, done, written down. Raises NotAllowed."""
    await check_permitted(caller, act, provider, app, about=about)
    slug = app.slug if app is not None else ""
    async with noted(caller, act, app=slug, about=about):
        yield


async def check_permitted(
    caller: Caller,
    act: str,
    provider: Provider,
    app: App | None,
    *,
    about: Mapping[str, str] | None = None,
) -> None:
    """Ask whether they may; a refusal is written down. Raises NotAllowed."""
    question = Question(permission=Permission.SUBSCRIBE, provider=provider, app=app, channel=caller.channel)
    ruling = await ruling_on(question, caller)
    slug = app.slug if app is not None else ""
    if ruling.refused is not None:
        refused = Entry(
            event=Event.REFUSED,
            act=act,
            personal=Personal(person=caller.person),
            channel=caller.channel,
            app=slug,
            about=dict(about or {}),
            answer=ruling.refused,
        )
        await note(caller, refused)
        raise await refusal_of(ruling, caller, provider, app)
