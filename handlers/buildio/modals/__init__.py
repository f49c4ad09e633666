"""What becomes of Build.io's forms once they are submitted: one module for each kind of thing."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp

from handlers.buildio.modals import creating, deploying, domains, namespaces, restarting, running, variables
from handlers.buildio.modals.submitted import listen
from handlers.desk import Desk
from handlers.listening import Listening


def register(app: AsyncApp, desk: Desk, listening: Listening) -> None:
    """Listen to their submissions."""
    for kind in (creating, deploying, restarting, running, variables, domains, namespaces):
        for callback_id, submitted in kind.SUBMISSIONS.items():
            listen(app, callback_id, submitted, desk, listening)
