"""Build.io's buttons, wherever they are: one module for each kind of thing."""

from handlers.buildio.actions import apps, groups, processes, running, ties

KINDS = (apps, processes, running, groups, ties)
