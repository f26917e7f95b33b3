//! `WWW-Authenticate`: what a server asks for (RFC 9110, 11.6.1).

/// What a 401 asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// Name and password in every request.
    Basic,
    /// A token of another server.
    Bearer {
        /// The address of that server.
        realm: String,
        /// What it calls the registry.
        service: Option<String>,
        /// What the token is to be good for.
        scope: Option<String>,
    },
}

/// Finds the best challenge we can meet in the values of all such headers.
#[must_use]
pub fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let mut basic = None;
    for header in headers {
        for (scheme, params) in schemes(header) {
            let get = |name: &str| params.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone());
            if scheme == "bearer"
                && let Some(realm) = get("realm")
            {
                return Some(Challenge::Bearer { realm, service: get("service"), scope: get("scope") });
            }
            if scheme == "basic" {
                basic = Some(Challenge::Basic);
            }
        }
    }
    basic
}

type Params = Vec<(String, String)>;

/// Splits `Scheme k="v", k=v, Scheme2 k=v`. What does not fit the grammar ends the header.
fn schemes(header: &str) -> Vec<(String, Params)> {
    let mut found: Vec<(String, Params)> = Vec::new();
    let mut rest = header.trim_start();
    while !rest.is_empty() {
        let word = token(rest);
        if word.is_empty() {
            break;
        }
        let after = rest.get(word.len()..).unwrap_or_default();
        if let Some(value) = after.strip_prefix('=') {
            let Some((value, after)) = value_of(value) else { break };
            let Some((_, params)) = found.last_mut() else { break };
            params.push((word.to_ascii_lowercase(), value));
            rest = after.trim_start_matches([',', ' ', '\t']);
        } else {
            found.push((word.to_ascii_lowercase(), Vec::new()));
            rest = after.trim_start_matches([',', ' ', '\t']);
        }
    }
    found
}

fn token(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.!#$%&'*+^`|~".contains(c)));
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return Some((text.get(..end)?.to_owned(), text.get(end..)?));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_servers_write_them() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            Some(Challenge::Bearer {
                realm: realm.to_owned(),
                service: service.map(str::to_owned),
                scope: scope.map(str::to_owned),
            })
        };
        for (headers, want) in [
            (
                vec![
                    r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a:pull,push""#,
                ],
                bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    Some("repository:a:pull,push"),
                ),
            ),
            (vec!["bearer  realm=https://x/t , service=y"], bearer("https://x/t", Some("y"), None)),
            (vec![r#"Basic realm="r", Bearer realm="https://x""#], bearer("https://x", None, None)),
            (vec![r#"Basic realm="r""#, r#"Bearer realm="a\"b""#], bearer("a\"b", None, None)),
            (vec!["Basic"], Some(Challenge::Basic)),
            (vec![r#"Digest realm="x""#], None),
            (vec![r#"Bearer realm="unfinished"#], None),
            (vec!["Bearer service=x"], None),
            (vec!["", "=", ",,", "\"", "\u{e9}"], None),
        ] {
            assert_eq!(parse(headers.iter().copied()), want, "{headers:?}");
        }
    }
}
