"""The network as files that run without this project."""
