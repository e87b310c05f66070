"""What a network costs: counted, timed, drawn."""
