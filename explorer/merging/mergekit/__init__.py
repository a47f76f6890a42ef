"""Merge recipes as mergekit writes them: their text, what they say of each tensor, and their counterparts among the explorer's own methods.

Nothing here needs torch.
"""
