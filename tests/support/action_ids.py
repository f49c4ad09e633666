"""All action and callback ids of the bot."""

from __future__ import annotations

from messages.kit import action_ids
from providers.bitrise import action_ids as bitrise_action_ids
from providers.buildio import action_ids as buildio_action_ids

ALL_ACTION_IDS = tuple(
    value
    for module in (action_ids, bitrise_action_ids, buildio_action_ids)
    for name, value in vars(module).items()
    if name.isupper()
)
