"""What the kit tests, area by area: each module here has ``cases()``."""
