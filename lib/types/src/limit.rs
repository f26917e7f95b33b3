//! Resource limits: `--ulimit name=soft[:hard]`.
