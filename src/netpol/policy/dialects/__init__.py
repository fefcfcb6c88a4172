"""Takes policies of one dialect each, gives policies of the program. One dialect a file."""
