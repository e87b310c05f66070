"""Ray Tune schedules. The door to ray."""
