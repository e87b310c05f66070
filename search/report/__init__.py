"""How does a person see a run? Terminal, page, pictures, tables."""
