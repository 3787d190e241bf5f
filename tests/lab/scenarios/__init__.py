"""One scenario a function: (verdicts, directory) -> None. `run` lists them by name."""
