from __future__ import annotations

import pytest

from domain.build import App
from providers.bitrise.provider import BITRISE
from services.lookup.app_matching import AmbiguousApp, UnknownApp, match_app

ANDROID = App(
    provider=BITRISE,
    slug="669403bffbe35909",
    title="sample-apps-android-sdk22",
    owner="samples",
    repo="sample-android",
)
IOS = App(provider=BITRISE, slug="f46e89061e967f27", title="Sample iOS", owner="samples", repo="sample-ios")
SHOP = App(provider=BITRISE, slug="13533d589b89fb4b", title="Shop", owner="acme", repo="shop")
SHOP_ADMIN = App(
    provider=BITRISE, slug="0d2277e50b8d32ce", title="Shop Admin", owner="acme", repo="shop-admin"
)
APPS = [ANDROID, IOS, SHOP, SHOP_ADMIN]


@pytest.mark.parametrize(
    ("words", "app"),
    [
        ("669403bffbe35909", ANDROID),
        ("669403BFFBE35909", ANDROID),
        ("sample ios", IOS),
        ("samples/sample-ios", IOS),
        ("sample-a", ANDROID),
        ("samples/sample-a", ANDROID),
        ("shop", SHOP),
        ("shop a", SHOP_ADMIN),
        ("android", ANDROID),
        ("admin", SHOP_ADMIN),
    ],
)
def test_an_app_is_found_by_any_of_its_names(words: str, app: App) -> None:
    assert match_app(words, APPS, provider=BITRISE) is app


def test_an_ambiguous_prefix_lists_the_apps() -> None:
    with pytest.raises(AmbiguousApp, match=r"`sample` matches .*sample-apps-android-sdk22.*Sample iOS"):
        match_app("sample", APPS, provider=BITRISE)


def test_a_wrong_name_gets_the_nearest_and_the_way_to_all() -> None:
    with pytest.raises(
        UnknownApp, match=r"named `smaple-ios`\. Did you mean Sample iOS.*`/bitrise apps` lists all 4"
    ):
        match_app("smaple-ios", APPS, provider=BITRISE)
    with pytest.raises(UnknownApp, match=r"named `zzz`\. `/bitrise apps`"):
        match_app("zzz", APPS, provider=BITRISE)


@pytest.mark.parametrize("words", ["branch", "Branch", "branch main"])
def test_a_key_without_a_colon_gets_a_hint(words: str) -> None:
    with pytest.raises(UnknownApp, match=r"For a branch, type `branch:NAME`\."):
        match_app(words, APPS, provider=BITRISE)
    named = App(provider=BITRISE, slug="1", title="Branch Manager")
    assert match_app("branch", [named], provider=BITRISE) is named


def test_a_blank_name_finds_no_app() -> None:
    with pytest.raises(UnknownApp):
        match_app("  ", APPS, provider=BITRISE)
