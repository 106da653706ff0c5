"""The results folder: its layout, manifest and unit files, and what keeps them sound.

May import `bench.experiment` and what lies below it.
"""
