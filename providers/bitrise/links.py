"""Parsing of links to Bitrise's pages, and of the arguments that name a build."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from domain.build import FrozenModel
from domain.commands.arguments import BuildRef

# The hosts of Bitrise's web pages, today and in 2017 (the manifest's unfurl_domains).
HOSTS = ("app.bitrise.io", "www.bitrise.io")
_SLUG = r"[\w-]{1,64}"
_BUILD = re.compile(rf"/(?:app/(?P<app>{_SLUG})/)?build/(?P<build>{_SLUG})(?:/.*)?")
_PIPELINE = re.compile(rf"/app/(?P<app>{_SLUG})/pipelines/(?P<pipeline>{_SLUG})(?:/.*)?")
_ARTIFACT = re.compile(rf"/(?:app/{_SLUG}/build/{_SLUG}/)?artifacts?/(?P<artifact>{_SLUG})(?:/.*)?")
_APP = re.compile(rf"/app/(?P<app>{_SLUG})(?:/(?:builds?)?)?")


class BuildLink(FrozenModel):
    """A build's page; `tab` is the open tab, such as `artifacts`."""

    ref: BuildRef
    tab: str | None = None


class PipelineLink(FrozenModel):
    """A pipeline's page."""

    app: str
    pipeline: str


class ArtifactLink(FrozenModel):
    """An artifact's page; the link does not name the build."""

    artifact: str


class AppLink(FrozenModel):
    """An app's page."""

    app: str


Link = BuildLink | PipelineLink | ArtifactLink | AppLink


def read_link(url: str) -> Link | None:
    """Return the page that the link leads to; None for any other page."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or parts.hostname not in HOSTS:
        return None
    if match := _ARTIFACT.fullmatch(parts.path):
        return ArtifactLink(artifact=match["artifact"])
    if match := _BUILD.fullmatch(parts.path):
        tab = parse_qs(parts.query).get("tab", [None])[0]
        return BuildLink(ref=BuildRef(slug=match["build"], app_slug=match["app"]), tab=tab)
    if match := _PIPELINE.fullmatch(parts.path):
        return PipelineLink(app=match["app"], pipeline=match["pipeline"])
    match = _APP.fullmatch(parts.path)
    return AppLink(app=match["app"]) if match else None


_BUILD_NUMBER = re.compile(r"#?(\d{1,9})$")
# 16 hex digits, or a UUID for newer builds (Bitrise's API of 2026)
_BUILD_SLUG = re.compile(r"(?:[0-9a-f]{16}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$", re.IGNORECASE)
_LINK = re.compile(
    r"(?:https?://)?(?:app|www)\.bitrise\.io/(?:app/(?P<app>[\w-]+)/)?build/(?P<build>[\w-]+)(?:[/?#].*)?$",
    re.IGNORECASE,
)


def parse_build_ref(text: str) -> BuildRef | None:
    """Return the build that the text names by number, slug or link; None if it names none."""
    if match := _BUILD_NUMBER.match(text):
        return BuildRef(number=int(match[1]))
    if _BUILD_SLUG.match(text):
        return BuildRef(slug=text.lower())
    if match := _LINK.match(text):
        return BuildRef(slug=match["build"], app_slug=match["app"])
    return None
