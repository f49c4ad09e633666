"""Deployments of an app."""
