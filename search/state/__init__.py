"""What is known about a run? The ledger is the single truth; everything else is made from it."""
