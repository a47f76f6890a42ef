"""Merging checkpoints that are larger than the memory: block by block from files to files.

ingredients   headers of the files that are merged, and adapters (lora)
plan          what becomes of each tensor, from a recipe or from a method of `explorer.fuse`
ways          how, on blocks, with the arithmetic that the methods in memory use
blocks        reading a tensor in blocks
output        shards, written beside the goal and renamed to it when all of it is there
engine        all of it, on several threads
"""
