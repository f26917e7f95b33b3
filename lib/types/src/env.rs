//! Environment: `-e`, `--env-file` and the defaults that the engine adds.
