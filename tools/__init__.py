"""What makes and checks the course, run from the top of a checkout: `python -m tools.bake`. No part of the library."""
