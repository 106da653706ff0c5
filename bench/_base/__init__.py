"""What every room uses: errors, texts for a terminal, atomic writes, locks, memory in use.

Imports nothing of ours.
"""
