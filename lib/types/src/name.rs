//! Names, ids and the name generator.
