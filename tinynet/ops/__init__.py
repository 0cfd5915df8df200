"""The operations, each with its derivatives beside it."""
