"""Questions to compiled tables that need no flows: what differs, who can reach whom."""
