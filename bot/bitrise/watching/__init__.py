"""What the watcher sees at Bitrise: lists of builds, those that are open, and the pipelines that they belong to."""

from bot.bitrise.watching.baseline import read_baseline
from bot.bitrise.watching.reader import BitriseReader

__all__ = ["BitriseReader", "read_baseline"]
