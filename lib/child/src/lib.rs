//! What runs between clone and exec: prepared operations only, no allocation, no locks.
#![no_std]
