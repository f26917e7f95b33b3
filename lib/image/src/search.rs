//! Searching registries for images.

use registry::{Client, Found};
use types::filter::{Filters, Values};
use types::{Context, Error, Kind, Result};

/// Docker Hub gives no more at once.
const MOST: usize = 100;

/// What is searched for.
#[derive(Debug)]
pub struct Search {
    /// The registry, if one is named; otherwise those that names without one are looked for in.
    registry: Option<String>,
    term: String,
    limit: usize,
    official: Filters,
    stars: u64,
}

impl Search {
    /// Reads `[REGISTRY/]TERM`, a limit and filters: `is-official=BOOL`, `stars=N`.
    ///
    /// # Errors
    /// `Invalid` if any of it is wrong.
    pub fn new(term: &str, limit: usize, filters: &[String]) -> Result<Self> {
        if !(1..=MOST).contains(&limit) {
            return Err(Error::new(Kind::Invalid, format!("bad limit {limit}: not from 1 to {MOST}")));
        }
        let filters = Filters::parse(filters, &[("is-official", Values::Switch), ("stars", Values::Text)])?;
        let mut stars = 0;
        for text in filters.values("stars") {
            let least: u64 = text.parse().map_err(|_| {
                Error::new(Kind::Invalid, format!("bad filter \"stars={text}\": not a number"))
            })?;
            stars = stars.max(least);
        }
        let (registry, term) = match term.split_once('/') {
            Some((host, rest)) if host == "localhost" || host.contains(['.', ':']) => (Some(host), rest),
            _ => (None, term),
        };
        if term.is_empty() && registry.is_none() {
            return Err(Error::new(Kind::Invalid, "bad term \"\": nothing to search for"));
        }
        let registry = registry.map(str::to_owned);
        Ok(Self { registry, term: term.to_owned(), limit, official: filters, stars })
    }

    /// Asks the registries, one after the other.
    ///
    /// # Errors
    /// Those of the first registry that cannot be asked.
    pub fn run(&self, client: &Client) -> Result<Vec<Found>> {
        let registries = self.registry.clone().map_or_else(|| client.searched(), |r| vec![r]);
        let mut found = Vec::new();
        for registry in registries {
            let here = client
                .search(&registry, &self.term, self.limit)
                .with_context(|| format!("search {registry:?} for {:?}", self.term))?;
            found.extend(here.into_iter().filter(|f| self.wants(f)));
        }
        Ok(found)
    }

    fn wants(&self, found: &Found) -> bool {
        self.official.switch("is-official", found.official) && found.stars.unwrap_or(0) >= self.stars
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_registry::{Answer, Server};
    use crate::fault_tests::{settings, words};

    fn ask(server: &Server, term: &str, filters: &[&str]) -> Result<Vec<Found>> {
        let filters: Vec<String> = filters.iter().map(|f| (*f).to_owned()).collect();
        Search::new(&format!("{}/{term}", server.address), 2, &filters)?.run(&Client::new(settings()))
    }

    fn paths(found: &[Found]) -> Vec<&str> {
        found.iter().map(|f| f.repository.path()).collect()
    }

    #[test]
    fn what_a_search_finds_has_words_and_stars() {
        let server = Server::start(|r| {
            match r.path.as_str() {
            "/v1/search?q=a+b%26&n=2" => Answer::ok(
                br#"{"num_results":9,"results":[{"name":"one","description":"first\u001b[2J","star_count":7,"is_official":true},
                    {"name":"x/two","description":null,"star_count":3},{"name":"three"}]}"#,
                "application/json",
            ),
            "/v2/" => Answer::status(200),
            _ => Answer::status(404),
        }
        });
        let found = ask(&server, "a b&", &[]).expect("search");
        assert_eq!(paths(&found), ["one", "x/two"], "no more than were asked for");
        assert_eq!((found[0].stars, found[0].official, found[1].official), (Some(7), true, false));
        assert_eq!(paths(&ask(&server, "a b&", &["stars=4"]).expect("stars")), ["one"]);
        assert_eq!(paths(&ask(&server, "a b&", &["is-official=false"]).expect("others")), ["x/two"]);
    }

    #[test]
    fn without_a_search_the_names_are_read_page_by_page() {
        let server = Server::start(|r| match r.path.as_str() {
            "/v2/" => Answer::status(200),
            "/v2/_catalog?n=1000" => Answer::ok(br#"{"repositories":["a/web","b"]}"#, "application/json")
                .with("Link", "</v2/_catalog?last=b>; rel=\"next\""),
            "/v2/_catalog?last=b" => {
                Answer::ok(br#"{"repositories":["webby","webs","web4"]}"#, "application/json")
                    .with("Link", "<?last=c>; rel=\"next\"")
            }
            // The same page again and again.
            "/v2/_catalog?last=c" => Answer::ok(br#"{"repositories":["c"]}"#, "application/json")
                .with("Link", "<?last=c>; rel=\"next\""),
            _ => Answer::status(404),
        });
        assert_eq!(paths(&ask(&server, "web", &[]).expect("search")), ["a/web", "webby"]);
        assert_eq!(paths(&ask(&server, "nothing", &[]).expect("none")), [""; 0]);
    }

    #[test]
    fn what_is_no_list_of_names_is_refused() {
        for (path, body, part) in [
            ("/v1/search?q=web&n=2", r#"{"results":[{"name":"a b"}]}"#, "a name that is none"),
            ("/v1/search?q=web&n=2", r#"{"results":[{"name":"\u001b[2J"}]}"#, "a name that is none"),
            ("/v2/_catalog?n=1000", r#"{"repositories":["WEB web"]}"#, "a name that is none"),
            ("/v2/_catalog?n=1000", "<html>", "the list of its names"),
            ("/nowhere", "", "404"),
        ] {
            let server = Server::start(move |r| match r.path.as_str() {
                "/v2/" => Answer::status(200),
                asked if asked == path => Answer::ok(body.as_bytes(), "application/json"),
                _ => Answer::status(404),
            });
            let err = ask(&server, "web", &[]).expect_err(body);
            assert!(words(&err).contains(part), "{}", words(&err));
        }
        let endless = Server::start(|r| {
            let n: u32 = r.path.rsplit('=').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            let names: Vec<String> = (0..20_000).map(|k| format!("n{n}-{k}")).collect();
            let body = serde_json::json!({ "repositories": names }).to_string();
            Answer::ok(body.as_bytes(), "application/json")
                .with("Link", &format!("<?last={}>; rel=\"next\"", n + 1))
        });
        assert!(words(&ask(&endless, "web", &[]).expect_err("endless")).contains("has no end"));
    }

    #[test]
    fn wrong_words_are_told() {
        for (term, limit, filter, part) in [
            ("", 25, "stars=1", "nothing to search for"),
            ("x", 0, "stars=1", "1 to 100"),
            ("x", 101, "stars=1", "1 to 100"),
            ("x", 25, "stars=many", "not a number"),
            ("x", 25, "is-automated=true", "unknown key"),
        ] {
            let err = Search::new(term, limit, &[filter.to_owned()]).expect_err(part);
            assert!(words(&err).contains(part), "{}", words(&err));
        }
    }
}
