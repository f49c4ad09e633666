"""Build.io's buttons, wherever they are: one module for each kind of thing."""

from handlers.buildio.actions import apps, domains, groups, processes, running, ties, variables

KINDS = (apps, processes, running, variables, domains, groups, ties)
