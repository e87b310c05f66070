"""How is one architecture trained in full?"""
