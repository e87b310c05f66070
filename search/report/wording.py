"""Figures as people say them."""


def clock(seconds: float) -> str:
    """A duration as people say it: 40s, 3m05s, 2h10m."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def percent(value: float) -> str:
    return f"{value:+.2f} %" if value else "-"
