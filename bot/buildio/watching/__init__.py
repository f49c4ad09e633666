"""What the watcher sees at Build.io: each app's current deployment and its dynos, compared with how they stood."""

from bot.buildio.watching.deployments import deployment_slug
from bot.buildio.watching.reader import REQUESTS_AN_APP, BuildioReader

__all__ = ["REQUESTS_AN_APP", "BuildioReader", "deployment_slug"]
