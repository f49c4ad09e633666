"""The sandbox's web page: a small Slack in the browser, with panels for builds and for the request inspector."""
