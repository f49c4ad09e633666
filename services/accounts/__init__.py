"""Accounts at providers: clients, user tokens and their refresh."""
