//! The tools as their users know them: the chapters of the course, then what can go wrong.

/// Returns from a test, loudly and counted, if the machine lacks something.
macro_rules! needs {
    ($($need:ident),+) => {
        if !tests::met(&[$(tests::Need::$need),+]) {
            return;
        }
    };
}

mod harness;
