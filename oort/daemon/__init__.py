"""The composition root: threads start here and nowhere else."""
