"""What of the policies the flows used."""
