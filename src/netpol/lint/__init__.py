"""What `netpol check` finds: one family of rules a file, what each code means in `catalogue`."""
