"""Extra links of tasks to the ModelArts and SWR consoles."""
