"""Merging checkpoints that are larger than the memory: block by block from files to files.

ingredients   headers of the files that are merged, and adapters on them (explorer.checkpoints.lora)
plan          what becomes of each tensor, from a recipe or from a method of `explorer.methods.fuse`, with the kernels that work in memory
blocks        reading a tensor in blocks
output        shards, written beside the goal and renamed to it when all of it is there
engine        all of it, on several threads
"""
