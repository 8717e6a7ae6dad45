"""Operators: what changes something in ModelArts."""
