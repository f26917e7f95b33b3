//! Platforms: `os/arch[/variant]`.
