"""Statistics on arrays.

Imports nothing of ours.
"""
