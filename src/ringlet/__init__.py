"""Ringlet leases phone numbers for one verification message and delivers the code in it."""

__version__ = "0.1.0"
