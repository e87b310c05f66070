"""What is the answer? Points, verdicts and the recommendation, all from the ledger."""
