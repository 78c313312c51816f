"""Engines place the parts of a ShardStage on workers, and do nothing else."""
