"""Is the run folder well?"""
