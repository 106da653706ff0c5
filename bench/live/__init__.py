"""Live tasks: the answer comes from training a network. Needs ``pip install "nasarena[live]"``."""
