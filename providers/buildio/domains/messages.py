"""An app's domains: how they and their certificates stand, and what is done with them."""

from __future__ import annotations

from collections.abc import Sequence

from domain.build import App
from domain.message import Block, Message
from messages.kit import action_ids
from messages.kit.blocks import confirm, context, paragraphs, section
from messages.kit.mrkdwn import code, escape, link, mention, plain, when
from providers.buildio.api.models import Domain
from providers.buildio.shared.arguments import parse_host as host_in
from providers.buildio.shared.blocks import app_name, button_row, fit_rows, join_facts, optional_button
from providers.buildio.shared.button_values import DomainButton, app_button_value

_GOOD = frozenset(
    {"on", "ok", "active", "issued", "valid", "succeeded", "cert issued", "enabled", "verified"}
)
_BAD = frozenset({"failed", "failing", "error", "expired", "invalid", "revoked", "rejected"})
_NONE = frozenset({"off", "none", "disabled"})


def domain_list(app: App, domains: Sequence[Domain]) -> Message:
    """Each domain with its certificate; those of one's own with buttons."""
    if not domains:
        words = f"{app_name(app)} has no domains."
        return Message(words, [section(words), *_buttons(app, some=False)])
    ordered = sorted(domains, key=lambda one: not one.platform)
    head = section(f"*{app_name(app)}*: {len(domains)} domain{'s' if len(domains) != 1 else ''}")
    rows = fit_rows([[section(_about(one)), *_buttons_of(app, one)] for one in ordered])
    spoken = ", ".join(f"{one.hostname} {one.ssl or one.status or ''}".strip() for one in ordered)
    own = any(not one.platform for one in domains)
    return Message(escape(f"Domains of {app.title}: {spoken}", 2000), [head, *rows, *_buttons(app, some=own)])


def domain_question(app: App, one: Domain) -> Message:
    """Before a domain is taken away that somebody has named: what will be gone, and the button for it."""
    text = f"Remove {code(one.hostname, 260)} from {app_name(app)}? It leads there no longer then."
    value, _ = _value_of(app, one)
    remove = optional_button("Remove it", action_ids.BUILDIO_DOMAIN_REMOVE, value, style="danger")
    return Message(text, [section(text), *button_row(remove)])


def domain_added(app: App, one: Domain, *, by: str) -> Message:
    """To the channel: somebody added a domain, and where it has to point to."""
    text = f"{mention(by)} added the domain {escape(one.hostname, 260)} to {app_name(app)}"
    target = f"\nIts DNS record must point to {code(one.target, 260)}." if one.target else ""
    look = optional_button("Domains", action_ids.BUILDIO_DOMAINS, app_button_value(app))
    return Message(text, [section(f"🌐 {text}{target}"), *button_row(look)])


def certificate_changed(app: App, one: Domain, *, by: str) -> Message:
    """To the channel: a domain has another certificate."""
    text = f"{mention(by)} gave the domain {escape(one.hostname, 260)} of {app_name(app)} another certificate"
    until = f" It is valid until {when(one.expires_at)}." if one.expires_at else ""
    return Message(text, [section(f"🔏 {text}.{until}")])


def domain_removed(app: App, host: str, *, by: str) -> Message:
    """To the channel: a domain was taken away."""
    text = f"{mention(by)} removed the domain {escape(host, 260)} from {app_name(app)}"
    return Message(text, [section(f"🗑️ {text}")])


def domains_cleared(app: App, hosts: Sequence[str], *, by: str) -> Message:
    """To the channel: all domains but Build.io's own were taken away."""
    text = f"{mention(by)} removed all domains from {app_name(app)}"
    lines = [f"− {code(host, 260)}" for host in hosts]
    return Message(text, [section(f"🗑️ {text}"), *paragraphs(lines, most_blocks=1)])


def _about(one: Domain) -> str:
    lines = [
        join_facts(
            f"*{link(_page(one), one.hostname, 260)}*",
            "Build.io's own" if one.platform else None,
            one.status and f"_{escape(one.status, 60)}_",
        ),
        join_facts(_certificate(one), f"until {when(one.expires_at)}" if one.expires_at else None),
        f"Points to {code(one.target, 260)}" if one.target and not one.platform else "",
        f"⚠️ {escape(one.problem, 400)}" if one.problem else "",
    ]
    return "\n".join(line for line in lines if line)


def _page(one: Domain) -> str | None:
    """Where it leads; nowhere for a wildcard, or what is no host name at all."""
    host = host_in(one.hostname)
    return f"https://{host}" if host is not None and not host.startswith("*") else None


def _certificate(one: Domain) -> str | None:
    if one.ssl is None:
        return None
    word = one.ssl.lower()
    mark = "✅" if word in _GOOD else "❌" if word in _BAD else "🔓" if word in _NONE else "⏳"
    return f"{mark} certificate {escape(one.ssl, 60)}"


def _buttons_of(app: App, one: Domain) -> list[Block]:
    if one.platform:
        return []
    value, title = _value_of(app, one)
    host = plain(one.hostname, 200)
    question = confirm("Remove it?", f"{host} leads to {title} no longer.", "Remove it")
    return button_row(
        optional_button(
            "Certificate…", action_ids.BUILDIO_DOMAIN_CERTIFICATE, value, label=f"Certificate of {host}"
        ),
        optional_button(
            "Remove", action_ids.BUILDIO_DOMAIN_REMOVE, value, confirm=question, label=f"Remove {host}"
        ),
    )


def _value_of(app: App, one: Domain) -> tuple[str | None, str]:
    title = plain(app.title, 100)
    return DomainButton.fitting(app=app.slug, domain=one.id, host=one.hostname, title=title), title


def _buttons(app: App, *, some: bool) -> list[Block]:
    value = app_button_value(app)
    made = button_row(
        optional_button("Add…", action_ids.BUILDIO_DOMAIN_ADD, value, style="primary"),
        optional_button("Refresh", action_ids.BUILDIO_DOMAINS_REFRESH, value),
        optional_button("Remove all…", action_ids.BUILDIO_DOMAINS_CLEAR, value, style="danger")
        if some
        else None,
    )
    return [*made, context("A certificate can take some minutes after the DNS record points here.")]
