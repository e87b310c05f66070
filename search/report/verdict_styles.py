"""How a verdict looks, the same in every picture: by shape and filling as well as by colour, so that grey suffices."""

# Verdict: marker (matplotlib's letter), colour, filling.
LOOKS = {
    "plain": ("s", "#222222", "#222222"), "proven": ("*", "#0b6e4f", "#0b6e4f"), "likely": ("o", "#2a9d8f", "#2a9d8f"),
    "open": ("o", "#7b8794", "white"), "likely worse": ("v", "#c8553d", "#c8553d"),
}  # fmt: skip
