//! Times and durations: RFC 3339 in UTC, `10s`, ages for people.
