"""The bitrise.yml of an app. Pure; no I/O."""

from __future__ import annotations

from sandbox.bitrise.log_text import STEPS
from sandbox.bitrise.state import App


def render_bitrise_yml(app: App) -> str:
    """Render a bitrise.yml with the app's pipelines and workflows, including a utility workflow."""
    lines = [
        "format_version: '13'",
        "default_step_lib_source: https://github.com/bitrise-io/bitrise-steplib.git",
        f"project_type: {app.project_type}",
    ]
    if app.pipelines:
        lines += ["pipelines:"]
        for name in app.pipelines:
            lines += [f"  {name}:", "    workflows:"]
            lines += [f"      {workflow}: {{}}" for workflow in app.workflows]
    lines += ["workflows:", "  _prepare:", "    steps:", "    - activate-ssh-key@4: {}"]
    for workflow in app.workflows:
        lines += [f"  {workflow}:", "    before_run:", "    - _prepare", "    steps:"]
        lines += [f"    - {step.rpartition('.')[0].rpartition('.')[0]}: {{}}" for step, _ in STEPS[1:]]
    return "\n".join(lines) + "\n"
