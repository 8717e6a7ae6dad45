"""Triggers: the waits that go on in the triggerer."""
