//! Words of a Dockerfile's line: quotes, escapes and variables, as Docker's builder reads them.

use types::{Error, Kind, Result};

/// What a variable is, if it is set.
pub(super) type Variables<'v> = dyn Fn(&str) -> Option<String> + 'v;

/// Splits at blanks outside of quotes, and expands each word.
///
/// # Errors
/// `Invalid` for a quote or brace that is not closed, or a modifier that nobody knows.
pub(super) fn split(line: &str, variables: &Variables<'_>) -> Result<Vec<String>> {
    raw_words(line)?.iter().map(|word| expand(word, variables)).collect()
}

/// Splits at blanks outside of quotes; quotes and escapes stay.
pub(super) fn raw_words(line: &str) -> Result<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => {
                word.push(c);
                word.extend(chars.next());
                continue;
            }
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if let Some(open) = quote {
        return Err(Error::new(Kind::Invalid, format!("a quote {open} is not closed")));
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

/// Takes quotes and escapes away and puts in what variables are.
pub(super) fn expand(word: &str, variables: &Variables<'_>) -> Result<String> {
    let mut out = String::new();
    let mut rest = word;
    let mut quoted = false;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '\'' if !quoted => {
                let (inside, after) = rest.split_once('\'').unwrap_or((rest, ""));
                out.push_str(inside);
                rest = after;
            }
            '"' => quoted = !quoted,
            '\\' => {
                let Some(next) = rest.chars().next() else { continue };
                rest = rest.get(next.len_utf8()..).unwrap_or_default();
                // Within double quotes it takes away only what means something there.
                if quoted && !matches!(next, '"' | '$' | '\\') {
                    out.push('\\');
                }
                out.push(next);
            }
            '$' => rest = variable(rest, &mut out, variables)?,
            c => out.push(c),
        }
    }
    Ok(out)
}

/// `NAME`, `{NAME}`, `{NAME:-WORD}` or `{NAME:+WORD}`, after a dollar. Returns what follows.
fn variable<'r>(rest: &'r str, out: &mut String, variables: &Variables<'_>) -> Result<&'r str> {
    let name_in =
        |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let Some(inside) = rest.strip_prefix('{') else {
        let (name, after) = rest.split_at(name_in(rest));
        if name.is_empty() {
            out.push('$');
        } else {
            out.push_str(&variables(name).unwrap_or_default());
        }
        return Ok(after);
    };
    let open = || Error::new(Kind::Invalid, "a brace after $ is not closed");
    let (inside, after) = inside.split_once('}').ok_or_else(open)?;
    let (name, modifier) = inside.split_at(name_in(inside));
    let value = variables(name).filter(|value| !value.is_empty());
    if let Some(word) = modifier.strip_prefix(":-") {
        out.push_str(&value.map_or_else(|| expand(word, variables), Ok)?);
    } else if let Some(word) = modifier.strip_prefix(":+") {
        out.push_str(&value.map_or_else(|| Ok(String::new()), |_| expand(word, variables))?);
    } else if modifier.is_empty() && !name.is_empty() {
        out.push_str(&variables(name).unwrap_or_default());
    } else {
        return Err(Error::new(Kind::Invalid, format!("${{{inside}}} is no variable")));
    }
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> Option<String> {
        (name == "PATH").then(|| "/bin".to_owned())
    }

    #[test]
    fn words_are_those_of_a_dockerfile() {
        for (line, want) in [
            ("a b  c", &["a", "b", "c"][..]),
            (r#"a="b c" d='e "f"'"#, &["a=b c", r#"d=e "f""#]),
            (r"a\ b c\\d", &["a b", r"c\d"]),
            (r#""\$PATH \n" '$PATH'"#, &[r"$PATH \n", "$PATH"]),
            ("$PATH:/x ${PATH}x $NONE. $", &["/bin:/x", "/binx", ".", "$"]),
            ("${NONE:-b} ${PATH:-b} ${PATH:+c} ${NONE:+c}x", &["b", "/bin", "c", "x"]),
            ("", &[]),
        ] {
            assert_eq!(split(line, &known).expect(line), want, "{line}");
        }
        for bad in ["\"a", "'a", "${PATH", "${PATH%x}", "${}"] {
            assert!(split(bad, &known).is_err(), "{bad}");
        }
    }
}
