"""Pending actions: what somebody wants to do and somebody else must agree to. Pure; no I/O."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from domain.access_policy import Principals
from domain.action import Action
from domain.build import FrozenModel


class PendingActionState(StrEnum):
    """How a proposal stands. AGREED: it is being done, and what comes of it is not known yet."""

    OPEN = "open"
    AGREED = "agreed"
    DONE = "done"
    DECLINED = "declined"
    EXPIRED = "expired"


class Approvers(FrozenModel):
    """Who decides: anybody of each of these but the one who asks, or (`themselves`) the one in whose name it is."""

    who: tuple[Principals, ...] = ()
    themselves: bool = False


class PendingAction(FrozenModel):
    """One proposal. `execution` names the workflow's step that waits for it.

    `bound`: who asked, who decides, and until when are under the same seal as the act. Those that were made before
    there was such a seal can't be agreed to any more.
    """

    id: str
    team: str
    channel: str
    asked_by: str
    act: Action
    deciders: Approvers
    asked_at: datetime
    expires_at: datetime
    state: PendingActionState = PendingActionState.OPEN
    decided_by: str | None = None
    execution: str | None = None
    bound: bool = True


class UnreadableAction(FrozenModel):
    """A proposal that can't be opened: it was changed, or sealed with a key that is gone, or by a later version."""

    team: str
    id: str
    execution: str | None = None
