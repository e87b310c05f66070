"""What must be known before the first training?"""
