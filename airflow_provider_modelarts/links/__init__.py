"""Links from a task to the consoles of the two clouds."""
