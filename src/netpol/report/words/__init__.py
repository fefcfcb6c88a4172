"""Takes results, gives the words and numbers that all media share."""
