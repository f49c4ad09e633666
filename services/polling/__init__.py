"""Polling of providers and analysis of failed builds."""
