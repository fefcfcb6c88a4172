"""Takes files of DNS answers and queries, gives what names were seen to mean."""
