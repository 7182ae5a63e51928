"""Alerts: their wording, the outbox that delivers them, and the chat that asks back."""
