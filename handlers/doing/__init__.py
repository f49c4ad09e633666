"""Doing what somebody wants changed at Bitrise: judged, agreed to where that is needed, done as them, written down."""

from handlers.doing.asking import decide, do, do_now, judged
from handlers.doing.expiring import Expiring
from handlers.doing.noting import note, noted
from handlers.doing.outcome import Done, NotAllowed
from handlers.doing.permitting import check_permitted, permitted

__all__ = [
    "Done",
    "Expiring",
    "NotAllowed",
    "check_permitted",
    "decide",
    "do",
    "do_now",
    "judged",
    "note",
    "noted",
    "permitted",
]
