//! Named volumes, binds and live mounts.
