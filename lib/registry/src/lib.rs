//! The distribution protocol, giving verified streams.
