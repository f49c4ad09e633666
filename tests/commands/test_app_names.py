from __future__ import annotations

import pytest

from bot.build import App
from bot.commands import AmbiguousApp, UnknownApp, find_app

ANDROID = App(
    slug="669403bffbe35909", title="sample-apps-android-sdk22", owner="samples", repo="sample-android"
)
IOS = App(slug="f46e89061e967f27", title="Sample iOS", owner="samples", repo="sample-ios")
SHOP = App(slug="13533d589b89fb4b", title="Shop", owner="acme", repo="shop")
SHOP_ADMIN = App(slug="0d2277e50b8d32ce", title="Shop Admin", owner="acme", repo="shop-admin")
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
def test_an_app_is_named_in_many_ways(words: str, app: App) -> None:
    assert find_app(words, APPS) is app


def test_a_beginning_that_fits_several_names_them() -> None:
    with pytest.raises(AmbiguousApp, match=r"sample could be .*sample-apps-android-sdk22.*Sample iOS"):
        find_app("sample", APPS)


def test_a_wrong_name_gets_the_nearest_and_the_way_to_all() -> None:
    with pytest.raises(
        UnknownApp, match=r"called smaple-ios. Did you mean Sample iOS.*`/bitrise apps` lists all 4"
    ):
        find_app("smaple-ios", APPS)
    with pytest.raises(UnknownApp, match=r"called zzz\. `/bitrise apps`"):
        find_app("zzz", APPS)


@pytest.mark.parametrize("words", ["branch", "Branch", "branch main"])
def test_whoever_leaves_out_a_colon_is_told_how_to_name_a_branch(words: str) -> None:
    with pytest.raises(
        UnknownApp, match=r"If you mean a branch, type a colon before its name: `branch:NAME`\."
    ):
        find_app(words, APPS)
    named = App(slug="1", title="Branch Manager")
    assert find_app("branch", [named]) is named


def test_nothing_is_no_app() -> None:
    with pytest.raises(UnknownApp):
        find_app("  ", APPS)
