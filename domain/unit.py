"""The units of background work, and the keys that say what one of them is about."""

from __future__ import annotations

from enum import StrEnum


class Unit(StrEnum):
    """A kind of background work. The values may be stored, so they never change.

    A wake of a unit carries only a key: whoever takes it does everything that is due for the key. The empty key is the
    unit as a whole.
    """

    POLL = "poll"  # key: the provider, or the name of another poll with its token
    DELIVER = "deliver"  # key: the recipient; "" looks for recipients to whom something is due
    READ_LOG = "read_log"  # key: the provider
    CONCLUDE_STEP = "conclude_step"
    EXPIRE = "expire"
    DELETE_FILE = "delete_file"
    CHECK_ACCESS = "check_access"
    PRUNE = "prune"
