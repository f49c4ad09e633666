"""The watcher: what changed since the last look, and whom it concerns."""

from bot.watch.approvals import Approvals
from bot.watch.changes import compare
from bot.watch.investigating import Investigator
from bot.watch.look import Look
from bot.watch.lookout import Lookout
from bot.watch.matching import match, overdue
from bot.watch.watcher import Blindness, Intervals, Watcher

__all__ = [
    "Approvals",
    "Blindness",
    "Intervals",
    "Investigator",
    "Look",
    "Lookout",
    "Watcher",
    "compare",
    "match",
    "overdue",
]
