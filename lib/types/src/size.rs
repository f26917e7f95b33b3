//! Byte sizes and CPU counts: `64m`, `1.5`.
