//! Values of v1 as values of v2.

/// Shares of v1 (2 to 262144, usually 1024) as weight of v2 (1 to 10000, usually 100).
///
/// Two mappings are in use. The older one is a straight line between the ends, `1 + (shares - 2) * 9999
/// / 262142`, and makes 39 of 1024, so that a container with the usual shares yields to everything
/// that nobody has configured. Newer runc (1.3.2) and crun (1.23) go through the middle as well; this is
/// theirs: `10^((l² + 125 l) / 612 - 7/34)` with `l` = log2 of the shares, rounded up. Not with the
/// functions of the C library: each start of a tool would load its libm for this line.
pub fn cpu_weight(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        #[expect(clippy::cast_precision_loss, reason = "below 2^18, which a float holds exactly")]
        shares => {
            let log = libm::log2(shares as f64);
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 1 and 10000 by construction"
            )]
            let weight = libm::pow(10.0, exponent).ceil() as u64;
            weight.clamp(1, 10_000)
        }
    }
}

/// Weight of blkio (10 to 1000) as weight of io (1 to 10000), a straight line as in runc and crun.
pub fn io_weight(weight: u16) -> u64 {
    1 + u64::from(weight).saturating_sub(10) * 9999 / 990
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_meet_at_both_ends_and_in_the_middle() {
        let pairs = [(0, 1), (2, 1), (1024, 100), (262_144, 10_000), (1 << 40, 10_000)];
        for (shares, weight) in pairs {
            assert_eq!(cpu_weight(shares), weight, "{shares}");
        }
        assert!((2..262_144).step_by(997).all(|n| cpu_weight(n) <= cpu_weight(n + 997)));
    }

    #[test]
    fn io_weights_are_a_straight_line() {
        assert_eq!([10, 750, 1000].map(io_weight), [1, 7475, 10_000]);
        assert_eq!(io_weight(0), 1);
    }
}
