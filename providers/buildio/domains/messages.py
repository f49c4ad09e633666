"""Messages about an app's domains and their certificates."""

from __future__ import annotations

from collections.abc import Sequence

from domain.build import App
from domain.message import Block, Message
from messages.kit.blocks import button_row, confirm, context, paragraphs, section, text_message
from messages.kit.mrkdwn import code, escape, join_facts, link, mention, plain, when
from providers.buildio import action_ids
from providers.buildio.api.models import Domain
from providers.buildio.shared.arguments import parse_host as host_in
from providers.buildio.shared.blocks import app_name, fit_rows, optional_button
from providers.buildio.shared.button_values import DomainButton, app_button_value

_GOOD = frozenset(
    {"on", "ok", "active", "issued", "valid", "succeeded", "cert issued", "enabled", "verified"}
)
_BAD = frozenset({"failed", "failing", "error", "expired", "invalid", "revoked", "rejected"})
_NONE = frozenset({"off", "none", "disabled"})


def domain_list(app: App, domains: Sequence[Domain]) -> Message:
    """The domains with their certificates; custom ones have buttons."""
    if not domains:
        return text_message(f"*{app_name(app)}* has no domains.", *_buttons(app, can_clear=False))
    ordered = sorted(domains, key=lambda domain: not domain.platform)
    head = section(f"*{app_name(app)}*: {len(domains)} domain{'s' if len(domains) != 1 else ''}")
    rows = fit_rows(
        [[section(_describe_domain(domain)), *_domain_buttons(app, domain)] for domain in ordered]
    )
    summary = ", ".join(
        f"{domain.hostname} {domain.ssl or domain.status or ''}".strip() for domain in ordered
    )
    has_custom = any(not domain.platform for domain in domains)
    return Message(
        escape(f"Domains of {app.title}: {summary}", 2000),
        [head, *rows, *_buttons(app, can_clear=has_custom)],
    )


def domain_question(app: App, domain: Domain) -> Message:
    """The confirmation before a named domain is removed: what will be removed, and the button."""
    text = f"Remove {code(domain.hostname, 260)} from *{app_name(app)}*? Traffic to it will stop."
    value, _ = _button_value(app, domain)
    remove = optional_button("Remove", action_ids.DOMAIN_REMOVE, value, style="danger")
    return text_message(text, *button_row(remove))


def domain_added(app: App, domain: Domain, *, by: str) -> Message:
    """Channel message: a domain was added, and where its DNS record must point."""
    text = f"{mention(by)} added the domain {escape(domain.hostname, 260)} to *{app_name(app)}*"
    target = f"\nPoint its DNS record to {code(domain.target, 260)}." if domain.target else ""
    show_domains = optional_button("Domains", action_ids.DOMAINS, app_button_value(app))
    return Message(text, [section(f"🌐 {text}{target}"), *button_row(show_domains)])


def certificate_changed(app: App, domain: Domain, *, by: str) -> Message:
    """Channel message: a certificate was replaced."""
    text = f"{mention(by)} replaced the certificate of {escape(domain.hostname, 260)} of *{app_name(app)}*"
    until = f" It expires {when(domain.expires_at)}." if domain.expires_at else ""
    return Message(text, [section(f"🔏 {text}.{until}")])


def domain_removed(app: App, host: str, *, by: str) -> Message:
    """Channel message: a domain was removed."""
    return text_message(
        f"{mention(by)} removed the domain {escape(host, 260)} from *{app_name(app)}*", symbol="🗑️"
    )


def domains_cleared(app: App, hosts: Sequence[str], *, by: str) -> Message:
    """Channel message: all custom domains were removed."""
    text = f"{mention(by)} removed all custom domains from *{app_name(app)}*"
    lines = [f"− {code(host, 260)}" for host in hosts]
    return text_message(text, *paragraphs(lines, max_blocks=1), symbol="🗑️")


def _describe_domain(domain: Domain) -> str:
    lines = [
        join_facts(
            f"*{link(_domain_url(domain), domain.hostname, 260)}*",
            "Build.io's own" if domain.platform else None,
            domain.status and f"_{escape(domain.status, 60)}_",
        ),
        join_facts(
            _certificate_status(domain), f"expires {when(domain.expires_at)}" if domain.expires_at else None
        ),
        f"DNS target {code(domain.target, 260)}" if domain.target and not domain.platform else "",
        f"⚠️ {escape(domain.problem, 400)}" if domain.problem else "",
    ]
    return "\n".join(line for line in lines if line)


def _domain_url(domain: Domain) -> str | None:
    """Return the domain's URL; None for a wildcard or an invalid hostname."""
    host = host_in(domain.hostname)
    return f"https://{host}" if host is not None and not host.startswith("*") else None


def _certificate_status(domain: Domain) -> str | None:
    if domain.ssl is None:
        return None
    word = domain.ssl.lower()
    mark = "✅" if word in _GOOD else "❌" if word in _BAD else "🔓" if word in _NONE else "⏳"
    return f"{mark} certificate {escape(domain.ssl, 60)}"


def _domain_buttons(app: App, domain: Domain) -> list[Block]:
    if domain.platform:
        return []
    value, title = _button_value(app, domain)
    host = plain(domain.hostname, 200)
    question = confirm("Remove this domain?", f"Traffic to {title} through {host} will stop.", "Remove")
    return button_row(
        optional_button(
            "Replace certificate…",
            action_ids.DOMAIN_CERTIFICATE,
            value,
            label=f"Replace the certificate of {host}",
        ),
        optional_button("Remove", action_ids.DOMAIN_REMOVE, value, confirm=question, label=f"Remove {host}"),
    )


def _button_value(app: App, domain: Domain) -> tuple[str | None, str]:
    title = plain(app.title, 100)
    return DomainButton.fitting(app=app.slug, domain=domain.id, host=domain.hostname, title=title), title


def _buttons(app: App, *, can_clear: bool) -> list[Block]:
    value = app_button_value(app)
    row = button_row(
        optional_button("Add a domain…", action_ids.DOMAIN_ADD, value, style="primary"),
        optional_button("Refresh", action_ids.DOMAINS_REFRESH, value),
        optional_button("Remove all…", action_ids.DOMAINS_CLEAR, value, style="danger")
        if can_clear
        else None,
    )
    return [*row, context("Once the DNS record is set, a certificate can take a few minutes.")]
