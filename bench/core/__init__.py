"""One run: strategies and tasks meet here, and the runner records what they say.

May import `bench._base` and `spaces`.
"""
