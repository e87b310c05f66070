"""How does a network run where it is deployed?"""
