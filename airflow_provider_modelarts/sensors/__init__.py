"""Sensors, which wait for something in ModelArts."""
