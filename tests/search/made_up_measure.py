"""Adds a made-up cost to the table of costs. Import it first: options of commands are made when they are imported."""

from senet_nas.costs.measures import MEASURES, Count, Measure

# Every SE unit scales each of its channels once; the plain network does 1,000 scalings of its own.
MEASURES["scalings"] = Measure(
    name="scalings",
    unit="scalings",
    title="made-up scalings",
    short="scaled",
    description="channels that are scaled for one sample",
    limit_help="Take at most PERCENT more made-up scalings.",
    column="scalings",
    format=",.0f",
    count=Count(network=lambda seen: 1000, se=lambda channels, places, se: channels),
)
