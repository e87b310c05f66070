"""What of a search is exported, and what is said about it?"""
