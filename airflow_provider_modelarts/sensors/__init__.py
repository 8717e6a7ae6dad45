"""Sensors: what waits for something in ModelArts."""
