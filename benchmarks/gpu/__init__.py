"""What a GPU does with the trainings of a search: `python -m benchmarks.gpu`."""
