//! The tags of a repository, in the order of versions.

use std::cmp::Ordering;

use registry::Client;
use types::Result;
use types::reference::ImageRef;

/// The tags of a repository: numbers in them count as numbers, so that `1.10` comes after `1.9`.
///
/// # Errors
/// Those of the registry.
pub fn tags(client: &Client, repository: &ImageRef) -> Result<Vec<String>> {
    let mut tags: Vec<String> = client.repository(repository)?.tags()?.into_iter().collect();
    tags.sort_by(|a, b| by_version(a, b));
    Ok(tags)
}

/// Compares words as words and numbers as numbers, however long.
fn by_version(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let (one, rest) = piece(left);
        let (two, others) = piece(right);
        let number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        let order = if number(one) && number(two) {
            let (one, two) = (one.trim_start_matches('0'), two.trim_start_matches('0'));
            one.len().cmp(&two.len()).then_with(|| one.cmp(two))
        } else {
            one.cmp(two)
        };
        if order != Ordering::Equal {
            return order;
        }
        if rest.is_empty() || others.is_empty() {
            // `01` and `1` are one version and two tags.
            return rest.len().cmp(&others.len()).then_with(|| a.cmp(b));
        }
        (left, right) = (rest, others);
    }
}

/// The digits, or the other characters, that a text begins with, and its rest.
fn piece(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_registry::{Answer, Server};
    use crate::fault_tests::{settings, words};

    #[test]
    fn versions_are_in_their_order() {
        let mut tags = ["latest", "1.10", "1.9", "1.9-alpine", "2", "10", "1", "v2", "v10", "1.09", "1.9.1"];
        tags.sort_by(|a, b| by_version(a, b));
        assert_eq!(
            tags,
            ["1", "1.09", "1.9", "1.9-alpine", "1.9.1", "1.10", "2", "10", "latest", "v2", "v10"]
        );
    }

    fn ask(server: &Server) -> Result<Vec<String>> {
        let name = format!("{}/a/b", server.address).parse().expect("name");
        tags(&Client::new(settings()), &name)
    }

    #[test]
    fn pages_are_followed_to_their_end_and_no_further() {
        let server = Server::start(|r| {
            let page = |tags: &str| Answer::ok(format!("{{\"tags\":{tags}}}").as_bytes(), "application/json");
            match r.path.as_str() {
                "/v2/a/b/tags/list?n=1000" => {
                    page("[\"b\"]").with("Link", "</v2/a/b/tags/list?last=b>; rel=\"next\"")
                }
                "/v2/a/b/tags/list?last=b" => page("[\"a\"]").with("Link", "<?last=a>; rel=\"next\""),
                // The same page again and again.
                "/v2/a/b/tags/list?last=a" => page("[\"a\"]").with("Link", "<?last=x>; rel=\"next\""),
                _ => Answer::status(200),
            }
        });
        assert_eq!(ask(&server).expect("tags"), ["a", "b"]);
    }

    #[test]
    fn lists_that_are_none_are_refused() {
        for (body, link, part) in [
            ("{\"tags\":[\"a b\"]}", "", "a tag that is none"),
            ("{\"tags\":[\"\\u001b[2J\"]}", "", "a tag that is none"),
            ("<html>", "", "list of tags"),
            ("{\"tags\":[\"a\"]}", "<http://evil.example/x>; rel=\"next\"", "elsewhere"),
        ] {
            let server = Server::start(move |_| Answer::ok(body.as_bytes(), "x").with("Link", link));
            let err = ask(&server).expect_err(body);
            assert!(words(&err).contains(part), "{}", words(&err));
        }
        let endless = Server::start(|r| {
            let n: usize = r.path.rsplit('=').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            let tags: Vec<String> = (0..20_000).map(|k| format!("t{n}-{k}")).collect();
            let body = serde_json::json!({ "tags": tags }).to_string();
            Answer::ok(body.as_bytes(), "x").with("Link", &format!("<?last={}>; rel=\"next\"", n + 1))
        });
        assert!(words(&ask(&endless).expect_err("endless")).contains("has no end"));
        let empty = Server::start(|_| Answer::ok(b"{\"tags\":null}", "x"));
        assert_eq!(ask(&empty).expect("none"), [""; 0]);
    }
}
