"""Takes engines and flows, gives what people ask: one question a folder."""
