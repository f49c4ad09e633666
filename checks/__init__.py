"""Checks that `make test` and CI run in addition to the tests: the dependency audit, and the summary of a test run."""
