//! The clock and the user's time zone.

use rustix::time::{ClockId, clock_gettime};
use types::time::Time;

/// Returns the time of day.
#[must_use]
pub fn now() -> Time {
    let now = clock_gettime(ClockId::Realtime);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
    // A clock outside the years 0 to 9999 is broken; 1970 says so as well as anything.
    Time::from_unix(now.tv_sec, nanos).unwrap_or(Time::EPOCH)
}

/// Turns the reading of a clock in the user's zone (`TZ`, `/etc/localtime`), as seconds from 1970
/// on that clock, into Unix seconds. In the hour that a clock shows twice it takes what the C
/// library prefers. `None` if the C library cannot tell.
#[must_use]
pub fn from_local(clock: i64) -> Option<i64> {
    let mut parts = zeroed_tm();
    // SAFETY: both arguments are valid for the call, which writes `parts` and keeps neither.
    let read = unsafe { libc::gmtime_r(&raw const clock, &raw mut parts) };
    if read.is_null() {
        return None;
    }
    parts.tm_isdst = -1; // mktime(3) shall find out
    parts.tm_wday = -1; // and set this, which tells -1 (an error) from -1 (a second before 1970)
    // SAFETY: `parts` is valid for the call, which normalises it and keeps nothing. Tools have
    // one thread, so that nobody changes TZ meanwhile.
    let secs = unsafe { libc::mktime(&raw mut parts) };
    (parts.tm_wday != -1).then_some(secs)
}

fn zeroed_tm() -> libc::tm {
    // SAFETY: all fields are integers, but for a pointer to a name, which may be null.
    unsafe { std::mem::zeroed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_after_this_was_written() {
        assert!(now().secs() > 1_700_000_000);
    }

    #[test]
    fn local_time_is_at_most_a_day_from_utc() {
        for clock in [-1, 0, 1_717_156_800] {
            let secs = from_local(clock).unwrap();
            assert!((secs - clock).abs() <= 86_400, "{secs}");
        }
        assert_eq!(from_local(i64::MAX), None);
    }
}
