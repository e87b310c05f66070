"""Places for SE, found in a network itself and put into it: no code for any family of networks."""
