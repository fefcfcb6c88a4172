"""Takes results, gives findings, and what CI systems read of them."""
