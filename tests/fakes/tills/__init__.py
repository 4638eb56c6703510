"""The vendors' own interfaces, each over the same till."""
