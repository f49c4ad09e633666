"""The sandbox's page: a small Slack in the browser, a build farm and an inspector beside it."""

from sandbox.page.routes import add_page

__all__ = ["add_page"]
