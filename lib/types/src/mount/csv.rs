//! One line of comma-separated values, as `--mount` has it (RFC 4180).

/// Splits a line into fields. A field in double quotes may hold commas, and a quote as two.
/// `None` if a quote is not closed, or stands anywhere but at the ends of a field.
pub(super) fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, tail) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (field, tail) = rest.split_at(end);
                if field.contains('"') {
                    return None;
                }
                (field.to_owned(), tail)
            }
        };
        fields.push(field);
        if tail.is_empty() {
            return Some(fields);
        }
        rest = tail.strip_prefix(',')?;
    }
}

/// A field after its opening quote, and what follows its closing one.
fn quoted_field(mut rest: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    loop {
        let (text, tail) = rest.split_once('"')?;
        field.push_str(text);
        match tail.strip_prefix('"') {
            Some(tail) => {
                field.push('"');
                rest = tail;
            }
            None => return Some((field, tail)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn quotes_protect_commas_and_quotes() {
        assert_eq!(fields("a=1,b").as_deref(), Some(&["a=1".into(), "b".into()][..]));
        assert_eq!(
            fields("\"src=/a,\"\"b\"\"\",c").as_deref(),
            Some(&["src=/a,\"b\"".into(), "c".into()][..])
        );
        assert_eq!(fields("").as_deref(), Some(&[String::new()][..]));
        assert_eq!(fields("a,").as_deref(), Some(&["a".into(), String::new()][..]));
        assert_eq!(fields("\"\"").as_deref(), Some(&[String::new()][..]));
        for bad in ["\"", "\"a", "a\"b", "\"a\"b", "\"a\"\"", "a,\"b"] {
            assert_eq!(fields(bad), None, "{bad}");
        }
    }
}
