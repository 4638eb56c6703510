"""Gateways: how money comes in, each behind one port. What is credited is decided in `topups/`."""
