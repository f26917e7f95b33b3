//! The tools as their users know them: the chapters of the course, then what can go wrong.

mod harness;
