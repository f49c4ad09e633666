"""An app's domains and their certificates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest

from domain.provider import Provider
from providers.buildio.api.client import BuildioClient
from sandbox.buildio.state import App
from sandbox.slack.models import Post
from tests.providers.buildio.config_var_harness import (
    audited,
    changes,
    config_var_harness,
    errors,
    hosts,
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


def given(harness: BotHarness, *names: str) -> App:
    """The shop, with these domains."""
    shop = harness.buildio.shop
    for name in names:
        harness.buildio.state.add_domain(shop, name, harness.clock())
    return shop


async def listed(harness: BotHarness) -> Post:
    return await harness.ask("/buildio domains shop", "A certificate can take some minutes")


def secret_line(private: str) -> str:
    """A line of the key, by which it is known wherever it turns up."""
    return private.splitlines()[1]


async def test_each_is_listed_with_how_it_stands_with_its_certificate(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        given(town, HOST, "no.shop.invalid")
        said = town.message_text(await listed(town))
        assert "⏳ certificate pending" in said
        town.clock.skip(timedelta(minutes=5))
        town.buildio.advance()
        said = town.message_text(await listed(town))
        assert "✅ certificate issued" in said
        assert "❌ certificate failed" in said
        assert "no.shop.invalid does not resolve to" in said


async def test_one_is_added_by_its_name_and_the_channel_hears_where_it_must_point(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        said = await town.ask(f"/buildio domains add shop {HOST}", f"anna added the domain {HOST} to shop")
        assert "must point to `shop.eu.buildapps.example`" in town.message_text(said)
        assert said.only_for is None
        assert hosts(town.buildio.shop) == [HOST]
        await town.ask(f"/buildio domains add shop {HOST}", "is already taken")


async def test_a_form_takes_the_certificate_with_its_key_and_neither_is_kept(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    own, signer = make_certificate(HOST), make_certificate()
    async with config_var_harness(tmp_path) as town:
        await open_form(town, "/buildio domains add shop", "Add a domain")
        fields = {"host": HOST, "certificate": own.certificate, "chain": signer.certificate}
        with mock.patch.object(
            BuildioClient, "add_domain", autospec=True, side_effect=BuildioClient.add_domain
        ) as sent:
            await town.users.submit("anna", {**fields, "private": own.key})
            await town.wait_for_message(f"anna added the domain {HOST} to shop", person=None)
        assert sent.call_args.kwargs["certificate"] == own.certificate + signer.certificate + own.key
        [(method, path, body)] = changes(town)
        assert (method, path) == ("POST", f"/apps/{town.buildio.shop.id}/domains")
        assert set(body) == {"hostname", "cert"}
        assert leaks(town, logged(capfd, caplog), secret_line(own.key)) == []


async def test_what_is_wrong_with_a_certificate_is_said_at_its_field_before_it_is_sent(
    tmp_path: Path,
) -> None:
    own, other = make_certificate(HOST), make_certificate("www.other.example")
    ended = make_certificate(HOST, until=datetime.now(UTC) - timedelta(days=1))
    fields = {"host": HOST, "certificate": own.certificate, "private": own.key}
    wrong = [
        ({"host": "no host"}, "host", "Type a host name"),
        ({"private": ""}, "private", "The key that belongs to it is missing."),
        ({"private": other.key}, "private", "This key does not belong to the certificate."),
        ({"private": own.encrypted_key}, "private", "The key has a passphrase"),
        ({"certificate": "hello"}, "certificate", "It begins with"),
        (
            {"certificate": other.certificate, "private": other.key},
            "certificate",
            f"and not for {HOST}",
        ),
        ({"certificate": ended.certificate, "private": ended.key}, "certificate", "It ended on"),
    ]
    async with config_var_harness(tmp_path) as town:
        await open_form(town, "/buildio domains add shop", "Add a domain")
        for changed, field, said in wrong:
            await town.users.submit("anna", {**fields, **changed})
            assert said in errors(town)[field]
            assert own.key not in str(errors(town))
        assert changes(town) == []
        await town.users.submit("anna", fields)
        await town.wait_for_message(f"anna added the domain {HOST} to shop", person=None)


async def test_a_domain_is_given_another_certificate(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    own = make_certificate(HOST)
    async with config_var_harness(tmp_path) as town:
        shop = given(town, HOST)
        await town.users.click("anna", await listed(town), "Certificate…")
        await town.slack.wait_for_modal("anna", f"For `{HOST}` of shop")
        await town.users.submit("anna", {"certificate": own.certificate, "private": own.key})
        await town.wait_for_message(f"anna gave the domain {HOST} of shop another certificate", person=None)
        assert shop.domains[-1].has_custom_certificate
        [(_, path, body)] = changes(town)
        assert path == f"/apps/{shop.id}/domains/{shop.domains[-1].id}"
        assert set(body) == {"cert"}
        assert leaks(town, logged(capfd, caplog), secret_line(own.key)) == []


async def test_one_that_is_gone_meanwhile_gets_no_certificate(tmp_path: Path) -> None:
    own = make_certificate(HOST)
    async with config_var_harness(tmp_path) as town:
        shop = given(town, HOST)
        await town.users.click("anna", await listed(town), "Certificate…")
        await town.slack.wait_for_modal("anna", f"For `{HOST}` of shop")
        shop.domains.pop()
        await town.users.submit("anna", {"certificate": own.certificate, "private": own.key})
        assert "shop does not have this domain any more." in errors(town)["certificate"]
        assert changes(town) == []


async def test_one_that_is_named_is_removed_once_that_was_said_again(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        shop = given(town, HOST, "a.shop.example")
        question = await town.ask(f"/buildio domains remove shop {HOST}", f"Remove `{HOST}` from shop?")
        assert question.only_for == "U0ANNA"
        assert changes(town) == []
        await town.users.click("anna", question, "Remove it")
        await town.wait_for_message(f"anna removed the domain {HOST} from shop", person=None)
        assert hosts(shop) == ["a.shop.example"]
        await town.press(question, "Remove it", "shop does not have this domain any more.")


async def test_build_ios_own_stays_and_a_name_that_is_not_there_is_answered_with_the_nearest(
    tmp_path: Path,
) -> None:
    async with config_var_harness(tmp_path) as town:
        shop = given(town, HOST)
        own = shop.domains[0].hostname
        await town.ask(f"/buildio domains remove shop {own}", "can't be taken away")
        await town.ask("/buildio domains remove shop ww.shop.example", f"Did you mean {HOST}")
        assert changes(town) == []


async def test_all_are_removed_once_the_apps_name_was_typed(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        shop = given(town, HOST, "a.shop.example")
        await open_form(town, "/buildio domains clear shop", "Remove all domains")
        opened = town.users.modal("anna")
        assert opened is not None
        assert f"− `{HOST}`" in town.slack.modal_text(opened)
        await town.users.submit("anna", {"typed_name": "Shop"})
        assert errors(town) == {"typed_name": "That is not the name. Nothing was done."}
        assert changes(town) == []
        await town.users.submit("anna", {"typed_name": "shop"})
        said = await town.wait_for_message("anna removed all domains from shop", person=None)
        assert f"− `{HOST}`" in town.message_text(said)
        assert hosts(shop) == []
        assert len(shop.domains) == 1
        await town.ask("/buildio domains clear shop", "shop has no domains of its own.")


async def test_no_domain_goes_that_was_not_shown(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        shop = given(town, HOST)
        await town.users.click("anna", await listed(town), "Remove all…")
        await town.slack.wait_for_modal("anna", "Remove all domains")
        given(town, "new.shop.example")
        await town.users.submit("anna", {"typed_name": "shop"})
        assert "there are other domains than were shown" in errors(town)["typed_name"]
        assert len(hosts(shop)) == 2


async def test_where_nobody_may_nothing_changes_whichever_way_it_is_asked_for(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, NOBODY) as town:
        shop = given(town, HOST)
        refused = "Nobody may change domains of shop here"
        await town.ask("/buildio domains add shop a.shop.example", refused)
        question = await town.ask(f"/buildio domains remove shop {HOST}", f"Remove `{HOST}` from shop?")
        await town.press(question, "Remove it", refused)
        await town.users.click("anna", await listed(town), "Add…")
        await town.slack.wait_for_modal("anna", "Add a domain")
        await town.users.submit("anna", {"host": "a.shop.example"})
        assert refused in errors(town)["host"]
        await town.users.close_modal("anna")
        await open_form(town, "/buildio domains clear shop", "Remove all domains")
        await town.users.submit("anna", {"typed_name": "shop"})
        assert "Nobody may delete namespaces, or all domains of shop" in errors(town)["typed_name"]
        assert hosts(shop) == [HOST]
        assert changes(town) == []
        assert await audited(town, "add_domain") == [("refused", "a.shop.example")] * 2


async def test_a_viewer_at_build_io_changes_nothing(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, people=("carla",)) as town:
        shop = given(town, HOST)
        await town.ask("/buildio domains add shop a.shop.example", "Build.io", person="carla")
        assert hosts(shop) == [HOST]


async def test_whoever_has_no_account_sees_the_channels_and_changes_none(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path, people=("anna",)) as town:
        given(town, HOST)
        await town.ask("/buildio domains shop", "`/buildio connect`", person="ben")
        await town.ask("/buildio subscribe shop", "subscribed")
        await town.ask("/buildio domains shop", HOST, person="ben")
        await town.ask("/buildio domains add shop a.shop.example", "your own Build.io account", person="ben")
        assert changes(town) == []
        await town.connect("ben", provider=Provider.BUILDIO)
        await town.ask("/buildio domains add shop a.shop.example", "ben added the domain", person="ben")


async def test_a_second_person_agrees_to_a_certificate_whose_key_lies_sealed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    own = make_certificate(HOST)
    async with config_var_harness(tmp_path, SECOND) as town:
        await open_form(town, "/buildio domains add shop", "Add a domain", person="ben")
        fields = {"host": HOST, "certificate": own.certificate, "private": own.key}
        await town.users.submit("ben", fields)
        asked = await town.wait_for_message(
            f"ben wants to add the domain {HOST} with a certificate to shop", person=None
        )
        assert leaks(town, logged(capfd, caplog), secret_line(own.key)) == []
        await town.users.click("anna", asked, "Agree")
        await town.wait_for_message(f"ben added the domain {HOST} to shop", person=None)
        assert hosts(town.buildio.shop) == [HOST]
        assert leaks(town, logged(capfd, caplog), secret_line(own.key)) == []


async def test_from_a_message_forms_are_offered_as_buttons(tmp_path: Path) -> None:
    async with config_var_harness(tmp_path) as town:
        given(town, HOST)
        for words, button, expected in (
            ("domains add shop", "Add a domain…", "Add a domain"),
            ("domains clear shop", "Remove all…", "Remove all domains"),
            ("config set shop KEY", "Set…", "Set config vars"),
        ):
            before = town.last("D0ANNA", "anna")
            town.users.say("anna", "D0ANNA", f"buildio {words}")
            offered = await town.wait_for_message(button, channel="D0ANNA", after=before)
            await town.users.click("anna", offered, button)
            await town.slack.wait_for_modal("anna", expected)
            await town.users.close_modal("anna")
