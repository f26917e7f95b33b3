//! The life of a container: composes store, runtime, net and vol; the monitor.
