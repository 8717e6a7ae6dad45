"""Operators, which change something in ModelArts."""
