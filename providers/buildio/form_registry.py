"""What becomes of Build.io's forms once they are submitted: one module for each kind of thing."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp

from handlers.middleware import RequestTracker
from providers.buildio.apps import create_submission
from providers.buildio.config_vars import submissions as config_var_submissions
from providers.buildio.deploys import submission
from providers.buildio.domains import submissions
from providers.buildio.namespaces import forms
from providers.buildio.processes import restart_submission, run_submission
from services.container import Services
from services.request.form_submission import listen


def register(app: AsyncApp, services: Services, listening: RequestTracker) -> None:
    """Listen to their submissions."""
    for kind in (
        create_submission,
        submission,
        restart_submission,
        run_submission,
        config_var_submissions,
        submissions,
        forms,
    ):
        for callback_id, submitted in kind.SUBMISSIONS.items():
            listen(app, callback_id, submitted, services, listening)
