"""The provider Bitrise: its name and label."""

from __future__ import annotations

from domain.provider import Provider

# Buttons and modals from before providers had names are Bitrise's.
BITRISE = Provider.known(
    "bitrise", label="Bitrise", apps_have_repositories=True, triggers_name_kind=True, legacy_default=True
)
