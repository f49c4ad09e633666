"""An app's domains and their certificates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest

from providers.buildio.api.client import BuildioClient
from providers.buildio.provider import BUILDIO
from sandbox.buildio.state import App
from sandbox.slack.models import Post
from tests.providers.buildio.config_var_harness import (
    audited,
    changes,
    config_var_harness,
    custom_hostnames,
    form_errors,
    leaks,
    logged,
    open_form,
)
from tests.support.bot_harness import BotHarness
from tests.support.certificates import make_certificate

HOST = "www.shop.example"
NOBODY = """
[[rule]]
allow = ["domains", "delete"]
who = "nobody"
"""
SECOND = """
[[rule]]
protect = ["domains", "delete"]
stages = ["production"]
who = ["U0ANNA", "U0BEN"]
"""


def add_domains(harness: BotHarness, *names: str) -> App:
    """Open a harness where the shop has these domains."""
    shop = harness.buildio.shop
    for name in names:
        harness.buildio.state.add_domain(shop, name, harness.clock())
    return shop


async def show_domains(harness: BotHarness) -> Post:
    return await harness.ask("/buildio domains shop", "a certificate can take a few minutes")


def secret_line(private: str) -> str:
    """Return a line of the key that identifies it anywhere."""
    return private.splitlines()[1]


async def test_domains_are_listed_with_the_status_of_their_certificates(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        add_domains(harness, HOST, "no.shop.invalid")
        text = harness.message_text(await show_domains(harness))
        assert "⏳ certificate pending" in text
        harness.clock.skip(timedelta(minutes=5))
        harness.buildio.advance()
        text = harness.message_text(await show_domains(harness))
        assert "✅ certificate issued" in text
        assert "❌ certificate failed" in text
        assert "no.shop.invalid does not resolve to" in text


async def test_a_domain_is_added_and_the_channel_sees_where_it_must_point(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        post = await harness.ask(f"/buildio domains add shop {HOST}", f"anna added the domain {HOST} to shop")
        assert "Point its DNS record to `shop.eu.buildapps.example`" in harness.message_text(post)
        assert post.only_for is None
        assert custom_hostnames(harness.buildio.shop) == [HOST]
        await harness.ask(f"/buildio domains add shop {HOST}", "is already taken")


async def test_a_form_takes_the_certificate_with_its_key_and_neither_is_stored(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    own, signer = make_certificate(HOST), make_certificate()
    async with config_var_harness(tmp_path) as harness:
        await open_form(harness, "/buildio domains add shop", "Add a domain")
        fields = {"host": HOST, "certificate": own.certificate, "chain": signer.certificate}
        with mock.patch.object(
            BuildioClient, "add_domain", autospec=True, side_effect=BuildioClient.add_domain
        ) as sent:
            await harness.users.submit("anna", {**fields, "private": own.key})
            await harness.wait_for_message(f"anna added the domain {HOST} to shop", person=None)
        assert sent.call_args.kwargs["certificate"] == own.certificate + signer.certificate + own.key
        [(method, path, body)] = changes(harness)
        assert (method, path) == ("POST", f"/apps/{harness.buildio.shop.id}/domains")
        assert set(body) == {"hostname", "cert"}
        assert leaks(harness, logged(capfd, caplog), secret_line(own.key)) == []


async def test_an_invalid_certificate_is_explained_at_its_field_before_it_is_sent(
    tmp_path: Path,
) -> None:
    own, other = make_certificate(HOST), make_certificate("www.other.example")
    ended = make_certificate(HOST, until=datetime.now(UTC) - timedelta(days=1))
    fields = {"host": HOST, "certificate": own.certificate, "private": own.key}
    wrong = [
        ({"host": "no host"}, "host", "Enter a domain"),
        ({"private": ""}, "private", "The private key is missing."),
        ({"private": other.key}, "private", "This key doesn't match the certificate."),
        ({"private": own.encrypted_key}, "private", "The key has a passphrase"),
        ({"certificate": "hello"}, "certificate", "It must begin with"),
        (
            {"certificate": other.certificate, "private": other.key},
            "certificate",
            f"not for {HOST}",
        ),
        ({"certificate": ended.certificate, "private": ended.key}, "certificate", "It expired on"),
    ]
    async with config_var_harness(tmp_path) as harness:
        await open_form(harness, "/buildio domains add shop", "Add a domain")
        for changed, field, expected in wrong:
            await harness.users.submit("anna", {**fields, **changed})
            assert expected in form_errors(harness)[field]
            assert own.key not in str(form_errors(harness))
        assert changes(harness) == []
        await harness.users.submit("anna", fields)
        await harness.wait_for_message(f"anna added the domain {HOST} to shop", person=None)


async def test_the_certificate_of_a_domain_is_replaced(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    own = make_certificate(HOST)
    async with config_var_harness(tmp_path) as harness:
        shop = add_domains(harness, HOST)
        await harness.users.click("anna", await show_domains(harness), "Replace certificate…")
        await harness.slack.wait_for_modal("anna", f"Replaces the certificate of `{HOST}` of shop")
        await harness.users.submit("anna", {"certificate": own.certificate, "private": own.key})
        await harness.wait_for_message(f"anna replaced the certificate of {HOST} of shop", person=None)
        assert shop.domains[-1].has_custom_certificate
        [(_, path, body)] = changes(harness)
        assert path == f"/apps/{shop.id}/domains/{shop.domains[-1].id}"
        assert set(body) == {"cert"}
        assert leaks(harness, logged(capfd, caplog), secret_line(own.key)) == []


async def test_a_removed_domain_gets_no_certificate(tmp_path: Path) -> None:
    own = make_certificate(HOST)
    async with config_var_harness(tmp_path) as harness:
        shop = add_domains(harness, HOST)
        await harness.users.click("anna", await show_domains(harness), "Replace certificate…")
        await harness.slack.wait_for_modal("anna", f"Replaces the certificate of `{HOST}` of shop")
        shop.domains.pop()
        await harness.users.submit("anna", {"certificate": own.certificate, "private": own.key})
        assert "no longer has this domain." in form_errors(harness)["certificate"]
        assert changes(harness) == []


async def test_a_named_domain_is_removed_after_confirmation(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        shop = add_domains(harness, HOST, "a.shop.example")
        post = await harness.ask(f"/buildio domains remove shop {HOST}", f"Remove `{HOST}` from shop?")
        assert post.only_for == "U0ANNA"
        assert changes(harness) == []
        await harness.users.click("anna", post, "Remove")
        await harness.wait_for_message(f"anna removed the domain {HOST} from shop", person=None)
        assert custom_hostnames(shop) == ["a.shop.example"]
        await harness.press(post, "Remove", "shop no longer has this domain.")


async def test_the_platform_domain_stays_and_an_unknown_name_is_answered_with_similar_ones(
    tmp_path: Path,
) -> None:
    async with config_var_harness(tmp_path) as harness:
        shop = add_domains(harness, HOST)
        own = shop.domains[0].hostname
        await harness.ask(f"/buildio domains remove shop {own}", "can't be removed")
        await harness.ask("/buildio domains remove shop ww.shop.example", f"Did you mean `{HOST}`")
        assert changes(harness) == []


async def test_all_domains_are_removed_after_the_apps_name_was_typed(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        shop = add_domains(harness, HOST, "a.shop.example")
        await open_form(harness, "/buildio domains clear shop", "Remove all domains")
        modal = harness.users.modal("anna")
        assert modal is not None
        assert f"− `{HOST}`" in harness.slack.modal_text(modal)
        await harness.users.submit("anna", {"typed_name": "Shop"})
        assert form_errors(harness) == {"typed_name": "That isn't the name. Nothing was changed."}
        assert changes(harness) == []
        await harness.users.submit("anna", {"typed_name": "shop"})
        post = await harness.wait_for_message("anna removed all custom domains from shop", person=None)
        assert f"− `{HOST}`" in harness.message_text(post)
        assert custom_hostnames(shop) == []
        assert len(shop.domains) == 1
        await harness.ask("/buildio domains clear shop", "shop has no custom domains.")


async def test_no_domain_is_removed_that_was_not_shown(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        shop = add_domains(harness, HOST)
        await harness.users.click("anna", await show_domains(harness), "Remove all…")
        await harness.slack.wait_for_modal("anna", "Remove all domains")
        add_domains(harness, "new.shop.example")
        await harness.users.submit("anna", {"typed_name": "shop"})
        assert "The domains have changed since they were shown" in form_errors(harness)["typed_name"]
        assert len(custom_hostnames(shop)) == 2


async def test_a_forbidden_change_is_refused_by_every_way(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, NOBODY) as harness:
        shop = add_domains(harness, HOST)
        refused = "No one can change domains in shop here"
        await harness.ask("/buildio domains add shop a.shop.example", refused)
        post = await harness.ask(f"/buildio domains remove shop {HOST}", f"Remove `{HOST}` from shop?")
        await harness.press(post, "Remove", refused)
        await harness.users.click("anna", await show_domains(harness), "Add a domain…")
        await harness.slack.wait_for_modal("anna", "Add a domain")
        await harness.users.submit("anna", {"host": "a.shop.example"})
        assert refused in form_errors(harness)["host"]
        await harness.users.close_modal("anna")
        await open_form(harness, "/buildio domains clear shop", "Remove all domains")
        await harness.users.submit("anna", {"typed_name": "shop"})
        assert "No one can delete namespaces and all domains in shop" in form_errors(harness)["typed_name"]
        assert custom_hostnames(shop) == [HOST]
        assert changes(harness) == []
        assert await audited(harness, "add_domain") == [("refused", "a.shop.example")] * 2


async def test_a_viewer_at_build_io_changes_nothing(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, people=("carla",)) as harness:
        shop = add_domains(harness, HOST)
        await harness.ask("/buildio domains add shop a.shop.example", "Build.io", person="carla")
        assert custom_hostnames(shop) == [HOST]


async def test_a_person_without_account_sees_the_channels_domains_and_changes_none(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, people=("anna",)) as harness:
        add_domains(harness, HOST)
        await harness.ask("/buildio domains shop", "`/buildio connect`", person="ben")
        await harness.ask("/buildio subscribe shop", "subscribed")
        await harness.ask("/buildio domains shop", HOST, person="ben")
        await harness.ask(
            "/buildio domains add shop a.shop.example", "Connect your Build.io account", person="ben"
        )
        assert changes(harness) == []
        await harness.connect("ben", provider=BUILDIO)
        await harness.ask("/buildio domains add shop a.shop.example", "ben added the domain", person="ben")


async def test_a_certificate_that_waits_for_an_approval_is_stored_encrypted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    own = make_certificate(HOST)
    async with config_var_harness(tmp_path, SECOND) as harness:
        await open_form(harness, "/buildio domains add shop", "Add a domain", person="ben")
        fields = {"host": HOST, "certificate": own.certificate, "private": own.key}
        await harness.users.submit("ben", fields)
        post = await harness.wait_for_message(
            f"ben requests approval to add the domain {HOST} with a certificate to shop", person=None
        )
        assert leaks(harness, logged(capfd, caplog), secret_line(own.key)) == []
        await harness.users.click("anna", post, "Approve")
        await harness.wait_for_message(f"ben added the domain {HOST} to shop", person=None)
        assert custom_hostnames(harness.buildio.shop) == [HOST]
        assert leaks(harness, logged(capfd, caplog), secret_line(own.key)) == []


async def test_in_a_message_forms_are_offered_as_buttons(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as harness:
        add_domains(harness, HOST)
        for command, button, expected in (
            ("domains add shop", "Add a domain…", "Add a domain"),
            ("domains clear shop", "Remove all…", "Remove all domains"),
            ("config set shop KEY", "Set…", "Set config vars"),
        ):
            before = harness.last("D0ANNA", "anna")
            harness.users.say("anna", "D0ANNA", f"buildio {command}")
            post = await harness.wait_for_message(button, channel="D0ANNA", after=before)
            await harness.users.click("anna", post, button)
            await harness.slack.wait_for_modal("anna", expected)
            await harness.users.close_modal("anna")
