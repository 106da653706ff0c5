"""The command line, one file a command.

May import anything; nothing imports it.
"""
