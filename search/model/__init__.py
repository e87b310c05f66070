"""What do trainings say about every architecture?"""
