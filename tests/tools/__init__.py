"""Tools, the loop that runs them, and approvals."""
