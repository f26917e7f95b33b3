//! Signals by name and number.
