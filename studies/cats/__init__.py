"""What a model was never shown it cannot paint: three models, with cats, without, and of nothing else."""
