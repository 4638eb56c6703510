"""Top-ups: money in. A row first, then the gateway, and credit from its truth alone, once."""
