"""The sandbox's page: a small Slack in the browser, a build farm and an inspector beside it."""
