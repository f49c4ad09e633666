"""Pending actions: actions that wait for a second person's approval. Pure; no I/O."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from domain.access_policy import Principals
from domain.action import Action
from domain.build import FrozenModel


class PendingActionState(StrEnum):
    """The state of a pending action. AGREED: it is approved and running, and its result is not known yet."""

    OPEN = "open"
    AGREED = "agreed"
    DONE = "done"
    DECLINED = "declined"
    EXPIRED = "expired"


class Approvers(FrozenModel):
    """The people who decide: anyone in all of `who` except the requester, or (`themselves`) the requester."""

    who: tuple[Principals, ...] = ()
    themselves: bool = False


class PendingAction(FrozenModel):
    """One pending action. `execution` names the workflow step that waits for it.

    `bound`: the requester, the approvers and the expiry are encrypted together with the action. Pending actions from
    before that existed can't be approved any more.
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
    """A pending action that can't be decrypted: changed, encrypted with a lost key, or by a later version."""

    team: str
    id: str
    execution: str | None = None
