"""The forms of domains: a new one, another certificate, all of them gone. A key is put into no view again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot import messages
from bot.build import App
from bot.messages import Origin, actions, buildio
from bot.messages.buildio import ClearOrigin, DomainOrigin
from bot.messages.buildio.confirming import TYPED_NAME
from bot.messages.buildio.domain_modals import CERTIFICATE, HOST
from bot.messages.message import Block
from bot.provider import Provider
from handlers.buildio import domains
from handlers.buildio.modals.submitted import Submission, Submitted, course_of
from handlers.caller import Answer, Caller
from handlers.finding import app_by_slug


async def _add(sent: Submitted) -> None:
    form, origin = buildio.read_domain(sent.values), Origin.read(sent.metadata)
    if await sent.is_wrong(form.problems):
        return

    app = App(provider=Provider.BUILDIO, slug=origin.app, title=origin.app)

    async def carry_out() -> Answer | None:
        nonlocal app
        app = await _app(origin, sent.caller)
        return await domains.add_filled(app, form, sent.caller)

    def again(problem: str) -> Block:
        if form.pem is not None:
            problem = f"{problem} The certificate is not kept: paste it once more."
        return buildio.domain_modal(app, origin=origin, host=form.host, problem=problem)

    course = course_of(domains.ADD, "Adding it…", again, field=HOST)
    await sent.answer(carry_out(), course)


async def _certificate(sent: Submitted) -> None:
    form, origin = buildio.read_certificate(sent.values), DomainOrigin.read(sent.metadata)
    if await sent.is_wrong(form.problems):
        return

    async def carry_out() -> Answer | None:
        app = await _app(origin, sent.caller)
        return await domains.update_certificate(app, origin.domain, form, sent.caller)

    course = course_of(domains.CERTIFICATE, "Updating it…", _again(domains.CERTIFICATE), field=CERTIFICATE)
    await sent.answer(carry_out(), course)


async def _clear(sent: Submitted) -> None:
    form, origin = buildio.read_typed_name(sent.values), ClearOrigin.read(sent.metadata)

    async def carry_out() -> Answer | None:
        app = await _app(origin, sent.caller)
        return await domains.clear_typed(app, form, origin, sent.caller)

    course = course_of(domains.CLEAR, "Removing them…", _again(domains.CLEAR), field=TYPED_NAME)
    await sent.answer(carry_out(), course)


async def _app(origin: Origin, caller: Caller) -> App:
    """The app that the form is about, looked up once more. Raises ProviderError."""
    return await app_by_slug(caller, origin.app, Provider.BUILDIO)


def _again(title: str) -> Callable[[str], Block]:
    """What a form becomes that took long and failed: what was typed into it is kept nowhere."""
    return lambda problem: messages.notice(title, problem)


SUBMISSIONS: Mapping[str, Submission] = {
    actions.BUILDIO_DOMAIN_MODAL: _add,
    actions.BUILDIO_CERTIFICATE_MODAL: _certificate,
    actions.BUILDIO_CLEAR_DOMAINS_MODAL: _clear,
}
