//! Manual pages as data: sections, options, fields, examples.
//!
//! The pages use the man(7) macros so that a test can read them: an option is a `.TP` whose tag line
//! begins `\fB\-x\fR, \fB\-\-long\fR`; a field in OUTPUT is a `.TP` whose tag line is `\fBName\fR`;
//! an example is what stands between `.EX` and `.EE`.

use std::collections::BTreeSet;

use crate::top;

/// A page.
#[derive(Debug)]
pub struct Page {
    /// Its file name.
    pub name: String,
    lines: Vec<String>,
}

impl Page {
    /// Reads `man/NAME`.
    #[must_use]
    pub fn open(name: &str) -> Self {
        Self::find(name).unwrap_or_else(|| panic!("man/{name} does not exist"))
    }

    /// Reads `man/NAME` if there is one.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let text = std::fs::read_to_string(top().join("man").join(name)).ok()?;
        Some(Self { name: name.to_owned(), lines: text.lines().map(str::to_owned).collect() })
    }

    /// The titles of all sections.
    #[must_use]
    pub fn sections(&self) -> Vec<String> {
        self.lines.iter().filter_map(|l| l.strip_prefix(".SH ")).map(plain).collect()
    }

    /// The lines of a section; none if there is no such section.
    #[must_use]
    pub fn section(&self, title: &str) -> &[String] {
        let is_title = |l: &String| l.strip_prefix(".SH ").is_some_and(|t| plain(t) == title);
        let Some(start) = self.lines.iter().position(is_title) else { return &[] };
        let rest = &self.lines[start + 1..];
        let end = rest.iter().position(|l| l.starts_with(".SH")).unwrap_or(rest.len());
        &rest[..end]
    }

    /// The `.SS` headings of a section.
    #[must_use]
    pub fn headings(&self, section: &str) -> Vec<String> {
        self.section(section).iter().filter_map(|l| l.strip_prefix(".SS ")).map(plain).collect()
    }

    /// The tags of a section: the line after each `.TP` (and `.TQ`).
    #[must_use]
    pub fn tags(&self, section: &str) -> Vec<String> {
        let lines = self.section(section);
        let after = lines.windows(2).filter(|w| w[0].starts_with(".TP") || w[0].starts_with(".TQ"));
        after.map(|w| tag(&w[1])).collect()
    }

    /// The options of the page, short and long.
    #[must_use]
    pub fn options(&self) -> BTreeSet<String> {
        // An option's argument may look like one (`--since -5m`), so only the names before it count.
        let names = |tag: String| {
            let all =
                tag.split(", ").map(|part| part.split([' ', '=', '[']).next().unwrap_or_default().to_owned());
            all.filter(|name| name.starts_with('-') && name.len() > 1).collect::<Vec<_>>()
        };
        self.tags("OPTIONS").into_iter().flat_map(names).collect()
    }

    /// The names of the fields in OUTPUT.
    #[must_use]
    pub fn fields(&self) -> BTreeSet<String> {
        let first = |tag: String| tag.split([' ', ',', '(']).next().unwrap_or_default().to_owned();
        self.tags("OUTPUT").into_iter().map(first).filter(|name| !name.starts_with('-')).collect()
    }

    /// The examples: the blocks of EXAMPLES, each with its lines as one types them.
    #[must_use]
    pub fn examples(&self) -> Vec<Vec<String>> {
        let mut all = Vec::new();
        let mut block: Option<Vec<String>> = None;
        for line in self.section("EXAMPLES") {
            match line.as_str() {
                ".EX" => block = Some(Vec::new()),
                ".EE" => all.extend(block.take()),
                text => {
                    if let Some(block) = &mut block {
                        block.push(plain(text));
                    }
                }
            }
        }
        all
    }

    /// All of the text, without its macros.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.iter().map(|l| plain(l)).collect::<Vec<_>>().join("\n")
    }
}

/// A tag line, written with a macro or with font escapes.
fn tag(line: &str) -> String {
    // `.BR \-x ", " \-\-long` joins its words without blanks, `.B a b` with them.
    let joined = [".BR ", ".BI ", ".RB ", ".IR ", ".RI ", ".IB "];
    if let Some(rest) = joined.iter().find_map(|m| line.strip_prefix(m)) {
        return plain(&words(rest).concat());
    }
    plain(line.strip_prefix(".B ").or_else(|| line.strip_prefix(".I ")).unwrap_or(line))
}

/// The arguments of a macro; quotes keep blanks.
fn words(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => {
                all.push(std::mem::take(&mut word));
            }
            c => word.push(c),
        }
    }
    all.push(word);
    all
}

/// Text without the escapes of roff.
fn plain(text: &str) -> String {
    let mut plain = text.trim().trim_matches('"').to_owned();
    for font in ["\\fB", "\\fI", "\\fR", "\\fP", "\\f(CW", "\\&", "\\:", "\\/", "\\,"] {
        plain = plain.replace(font, "");
    }
    let escapes = [
        ("\\-", "-"),
        ("\\(aq", "'"),
        ("\\(dq", "\""),
        ("\\(ti", "~"),
        ("\\(ha", "^"),
        ("\\(ga", "`"),
        ("\\~", " "),
    ];
    for (escape, character) in escapes {
        plain = plain.replace(escape, character);
    }
    plain.replace("\\e", "\\").replace("\\\\", "\\")
}
