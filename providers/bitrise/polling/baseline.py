"""The builds that exist when the polling of an app begins."""

from __future__ import annotations

from domain.build import Build
from domain.poll_state import Baseline
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.api.requests import BuildListParams
from providers.bitrise.polling.build_lists import newest_trigger_time


async def read_baseline(bitrise: BitriseClient, app_slug: str) -> Baseline:
    """Read the app's newest builds and all open ones. None of them is notified now; the open ones are followed.

    Raises ProviderError.
    """
    # Open builds are read last: a build that starts between the two requests is newer than the baseline, and one
    # that ends between them is open in the first response, so its end is still noticed.
    builds: dict[str, Build] = {}
    async for page in bitrise.builds(app_slug).pages():
        builds.update((build.slug, build) for build in page.items)
        break
    newest = newest_trigger_time(builds.values())
    async for page in bitrise.builds(app_slug, BuildListParams(status=0)).pages():
        if any(build.ended for build in page.items):
            break  # a server that ignores the filter would otherwise be read to its first build
        builds.update((build.slug, build) for build in page.items if build.slug not in builds)
    return Baseline(builds=tuple(builds.values()), at=newest)
