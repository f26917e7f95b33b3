//! Names, ids and the name generator.

use crate::{Error, Kind, Result};

/// Digits of an id that people see.
const SHORT: usize = 12;

/// Docker has no bound; a name becomes the name of a file, which has one at 255.
const MAX_NAME: usize = 128;

/// Checks the name of a container or volume: a letter or digit, then letters, digits, `_`, `.` and
/// `-`. Such a name is safe as a file name and never looks like an option. Docker wants two
/// characters, for the sake of Windows' drives; podman does not, and neither do we.
///
/// # Errors
/// `Invalid` if it is anything else. `what` is the kind of thing, for the message.
pub fn check(what: &str, name: &str) -> Result<()> {
    let bad = |why| {
        Error::new(Kind::Invalid, format!("bad {what} name {name:?}: {why}"))
            .hint("a name is made of a-z A-Z 0-9 _ . - and begins with a letter or digit")
    };
    let mut bytes = name.bytes();
    match bytes.next() {
        None => Err(bad("it is empty")),
        Some(b) if !b.is_ascii_alphanumeric() => Err(bad("it does not begin with a letter or digit")),
        Some(_) if !bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) => {
            Err(bad("it has a character that no name has"))
        }
        Some(_) if name.len() > MAX_NAME => Err(bad("it is longer than 128 characters")),
        Some(_) => Ok(()),
    }
}

/// Returns whether a container or volume can have this name, see [`check`].
#[must_use]
pub fn is_valid(name: &str) -> bool {
    check("", name).is_ok()
}

/// Says whether `text` is a whole id: 64 lower-case hexadecimal digits.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Says whether `text` can be the beginning of an id.
#[must_use]
pub fn is_id_prefix(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Makes an id of random bytes. One whose first twelve digits are all decimal is not used
/// (`None`): as a host name it would be taken for a number, as Docker found out.
#[must_use]
pub fn id(random: &[u8; 32]) -> Option<String> {
    let id: String = random.iter().map(|b| format!("{b:02x}")).collect();
    (!short(&id).bytes().all(|b| b.is_ascii_digit())).then_some(id)
}

/// Returns the twelve digits of an id that people see; a shorter text whole.
#[must_use]
pub fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}

/// Makes a name such as `brave_torvalds` of random bytes. After a first attempt that was taken,
/// a digit is appended, so that a machine with very many containers still finds one soon.
#[must_use]
pub fn generate(random: [u8; 8], attempt: u32) -> String {
    let mut random = u64::from_le_bytes(random);
    // The lists are short beside 2^64, so that the remainder favours no word that matters.
    let mut take = |n: usize| {
        let n = n as u64;
        let index = random % n;
        random /= n;
        usize::try_from(index).unwrap_or_default()
    };
    let adjective = ADJECTIVES.get(take(ADJECTIVES.len())).unwrap_or(&"plain");
    let mut surname = *SURNAMES.get(take(SURNAMES.len())).unwrap_or(&"doe");
    // Steve Wozniak is not boring.
    if (*adjective, surname) == ("boring", "wozniak") {
        surname = "turing";
    }
    if attempt == 0 { format!("{adjective}_{surname}") } else { format!("{adjective}_{surname}{}", take(10)) }
}

#[rustfmt::skip]
const ADJECTIVES: &[&str] = &[
    "able", "agile", "airy", "amber", "ample", "apt", "ardent", "blithe", "bold", "boring", "brave", "breezy", "bright",
    "brisk", "calm", "candid", "careful", "casual", "cheery", "chipper", "civil", "clear", "clever", "cosy", "crisp",
    "curious", "daring", "deft", "dapper", "dry", "eager", "early", "earnest", "easy", "fair", "fancy", "fearless",
    "fine", "fleet", "fluent", "fond", "frank", "free", "fresh", "frugal", "gallant", "gentle", "glad", "golden",
    "graceful", "grand", "hale", "handy", "hardy", "hearty", "humble", "jaunty", "jolly", "jovial", "keen", "kind",
    "lean", "level", "light", "limber", "lively", "loyal", "lucid", "lucky", "lush", "mellow", "merry", "mild",
    "mindful", "modest", "neat", "nimble", "noble", "patient", "peppy", "placid", "plucky", "polite", "prime", "proud",
    "prudent", "quick", "quiet", "rapid", "ready", "robust", "rosy", "salty", "sane", "serene", "sharp", "shiny",
    "silent", "sincere", "sleek", "smooth", "snug", "sober", "solid", "sound", "spry", "stable", "steady", "stoic",
    "stout", "sturdy", "sunny", "supple", "sure", "swift", "tender", "thrifty", "tidy", "trim", "true", "trusty",
    "upbeat", "vivid", "warm", "wary", "wise", "witty", "zesty",
];

#[rustfmt::skip]
const SURNAMES: &[&str] = &[
    // Of numbers and proofs.
    "abel", "agnesi", "alkindi", "apollonius", "archimedes", "aryabhata", "bayes", "bernoulli", "bolyai", "bombelli",
    "boole", "brahmagupta", "cantor", "cardano", "cauchy", "chebyshev", "church", "coxeter", "descartes", "diophantus",
    "dirichlet", "eratosthenes", "erdos", "euclid", "euler", "fermat", "fibonacci", "fourier", "frege", "galois",
    "gauss", "germain", "godel", "grothendieck", "hamilton", "hardy", "hilbert", "hypatia", "jacobi", "khayyam",
    "kolmogorov", "kovalevskaya", "lagrange", "laplace", "legendre", "leibniz", "lobachevsky", "markov", "minkowski",
    "mirzakhani", "mobius", "napier", "noether", "pascal", "peano", "poincare", "poisson", "ramanujan", "riemann",
    "robinson", "russell", "sylvester", "tartaglia", "thales", "viete", "weierstrass", "weil", "wiles", "zhukovsky",
    // Of matter, light and the sky.
    "alhazen", "ampere", "avogadro", "becquerel", "bell", "bohr", "boltzmann", "born", "bose", "boyle", "brahe",
    "carnot", "cassini", "cavendish", "chandrasekhar", "chatelet", "compton", "copernicus", "coulomb", "curie", "dalton",
    "davy", "dirac", "eddington", "einstein", "faraday", "fermi", "feynman", "foucault", "fraunhofer", "fresnel",
    "galilei", "galvani", "gibbs", "goeppert", "hahn", "halley", "heisenberg", "helmholtz", "herschel", "hertz", "hooke",
    "hopper", "hubble", "huygens", "joule", "kelvin", "kepler", "landau", "lavoisier", "leavitt", "lorentz", "mach",
    "maxwell", "meitner", "mendeleev", "michelson", "millikan", "mitchell", "newton", "oersted", "ohm", "oppenheimer",
    "pauli", "payne", "planck", "priestley", "raman", "rayleigh", "roentgen", "rutherford", "sagan", "salam",
    "schrodinger", "somerville", "tesla", "thomson", "tycho", "volta", "watt", "weber", "wheeler", "wu", "young", "yukawa",
    // Of life and of the earth.
    "agassiz", "anning", "avicenna", "banting", "blackwell", "carson", "crick", "cuvier", "darwin", "ehrlich", "fabre",
    "fleming", "franklin", "galen", "goodall", "haeckel", "harvey", "hippocrates", "humboldt", "hutton", "jenner", "koch",
    "lamarck", "leakey", "leeuwenhoek", "linnaeus", "lister", "lovelock", "lyell", "margulis", "mcclintock", "mendel",
    "merian", "nightingale", "pasteur", "pavlov", "salk", "sanger", "semmelweis", "vesalius", "wallace", "wegener",
    // Of machines, programs and the sea.
    "babbage", "backus", "bartik", "boyd", "brunel", "cerf", "clarke", "codd", "cook", "dijkstra", "engelbart", "estrin",
    "floyd", "goldberg", "hamming", "hoare", "holberton", "iverson", "kernighan", "kilby", "knuth", "lamarr", "lampson",
    "liskov", "lovelace", "magellan", "mccarthy", "mcilroy", "mclean", "milner", "minsky", "naur", "neumann", "noyce",
    "perlman", "postel", "ritchie", "shannon", "stevin", "stroustrup", "sutherland", "tanenbaum", "thompson", "torvalds",
    "turing", "vaucanson", "wirth", "wozniak", "zuse",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_as_names_of_files() {
        for good in ["web", "c", "a1", "0_", "My.Volume-2", &"x".repeat(128)] {
            assert!(check("volume", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "-rf",
            "_x",
            "a/b",
            "../x",
            "a b",
            "a\n",
            "a\0",
            "a:b",
            "ä1",
            "a,b",
            "web ",
            &"x".repeat(129),
        ] {
            let err = check("volume", bad).expect_err(bad);
            assert!(err.to_string().starts_with(&format!("bad volume name {bad:?}: ")), "{err}");
        }
    }

    #[test]
    fn ids_are_hexadecimal() {
        let made = id(&[0xab; 32]).expect("has letters");
        assert!(is_id(&made) && is_id_prefix(&made));
        assert_eq!(short(&made), "abababababab");
        assert_eq!(short("abc"), "abc");
        assert_eq!(id(&[0x12; 32]), None);
        assert!(!is_id("ab") && !is_id(&made.to_uppercase()) && !is_id(&format!("{made}0")));
        assert!(!is_id_prefix("") && !is_id_prefix("web") && !is_id_prefix(&format!("{made}0")));
    }

    #[test]
    fn word_lists_have_many_words_and_each_once() {
        assert!(ADJECTIVES.len() >= 90, "{}", ADJECTIVES.len());
        assert!(SURNAMES.len() >= 200, "{}", SURNAMES.len());
        for list in [ADJECTIVES, SURNAMES] {
            let once: std::collections::BTreeSet<_> = list.iter().collect();
            let twice: Vec<_> = list.iter().filter(|w| list.iter().filter(|v| v == w).count() > 1).collect();
            assert_eq!(once.len(), list.len(), "{twice:?}");
            assert!(list.iter().all(|w| w.bytes().all(|b| b.is_ascii_lowercase())));
        }
    }

    #[test]
    fn generated_names_are_names_and_wozniak_is_not_boring() {
        let boring = ADJECTIVES.iter().position(|w| *w == "boring").expect("listed") as u64;
        let wozniak = SURNAMES.iter().position(|w| *w == "wozniak").expect("listed") as u64;
        let random = (boring + wozniak * ADJECTIVES.len() as u64).to_le_bytes();
        assert_eq!(generate(random, 0), "boring_turing");
        assert_eq!(generate([0; 8], 0), "able_abel");
        assert_eq!(generate([0; 8], 1), "able_abel0");
        assert!(check("container", &generate([0xff; 8], 5)).is_ok());
    }
}
