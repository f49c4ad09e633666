"""The Build.io simulator: as strict as the API reference, with running apps, teams and OAuth pages."""
