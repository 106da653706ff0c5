"""The networks that architectures of a space stand for; they need torch.

May import `spaces.published`; imported where something is trained.
"""
