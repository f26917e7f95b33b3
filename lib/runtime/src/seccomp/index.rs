//! From name to number without a search: a hash table that the compiler fills.

use super::TABLE;

/// More than twice as many as there are calls, and a power of two.
const SLOTS: usize = 1024;
const EMPTY: u16 = u16::MAX;

/// Positions in the table of calls, by hash.
static INDEX: [u16; SLOTS] = build();

/// FNV-1a.
const fn hash(name: &[u8]) -> usize {
    let mut hash = 0x811c_9dc5_u32;
    let mut at = 0;
    while at < name.len() {
        hash = (hash ^ name[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (hash ^ (hash >> 16)) as usize & (SLOTS - 1)
}

const fn build() -> [u16; SLOTS] {
    let mut index = [EMPTY; SLOTS];
    let mut at = 0;
    while at < TABLE.len() {
        let mut slot = hash(TABLE[at].0.as_bytes());
        while index[slot] != EMPTY {
            slot = (slot + 1) & (SLOTS - 1);
        }
        index[slot] = at as u16;
        at += 1;
    }
    index
}

/// Returns the number of a call.
pub fn find(name: &str) -> Option<u32> {
    let mut slot = hash(name.as_bytes());
    loop {
        let (known, number) = TABLE.get(usize::from(*INDEX.get(slot)?))?;
        if *known == name {
            return Some(*number);
        }
        slot = (slot + 1) & (SLOTS - 1);
    }
}
