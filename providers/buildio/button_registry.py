"""Build.io's buttons, wherever they are: one module for each kind of thing."""

from providers.buildio.apps import buttons
from providers.buildio.config_vars import buttons as config_var_buttons
from providers.buildio.deploy_links import buttons as deploy_link_buttons
from providers.buildio.domains import buttons as domain_buttons
from providers.buildio.pipelines import buttons as pipeline_buttons
from providers.buildio.processes import buttons as processe_buttons
from providers.buildio.processes import run_buttons

KINDS = (
    buttons,
    processe_buttons,
    run_buttons,
    config_var_buttons,
    domain_buttons,
    pipeline_buttons,
    deploy_link_buttons,
)
