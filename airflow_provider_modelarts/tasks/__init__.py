"""How the tasks of operators and sensors wait and end."""
