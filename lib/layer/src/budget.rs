//! How much may be unpacked: a few bytes must not fill a disk.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use types::{Error, Kind, Result};

/// Bytes that may still be unpacked, by several layers together.
#[derive(Debug)]
pub struct Budget {
    left: AtomicU64,
    whole: u64,
    exceeded: AtomicBool,
}

impl Budget {
    /// So many bytes; without a number as many as there are.
    #[must_use]
    pub fn new(bytes: Option<u64>) -> Self {
        let whole = bytes.unwrap_or(u64::MAX);
        Self { left: AtomicU64::new(whole), whole, exceeded: AtomicBool::new(false) }
    }

    /// Takes some of it.
    ///
    /// # Errors
    /// `Invalid` if there is not so much left.
    pub fn take(&self, bytes: u64) -> Result<()> {
        let less = |left: u64| left.checked_sub(bytes);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => Ok(()),
            Err(_) => {
                self.exceeded.store(true, Ordering::Relaxed);
                self.check()
            }
        }
    }

    /// Whether all that was asked for was there.
    ///
    /// # Errors
    /// `Invalid` if it was not.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.exceeded.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(Error::new(Kind::Invalid, format!("it has more than {} bytes unpacked", self.whole))
            .hint("--max-size says how large it may be"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_to_its_last_byte_and_no_further() {
        let budget = Budget::new(Some(10));
        assert!(budget.take(6).is_ok());
        assert!(budget.take(5).is_err());
        assert!(budget.take(4).is_ok());
        assert!(budget.take(0).is_ok());
        assert!(budget.take(1).is_err());
        assert!(Budget::new(None).take(u64::MAX).is_ok());
    }
}
