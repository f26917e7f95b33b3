//! `img-diff`: what differs between the files of two images.

use serde::Serialize;

use super::Record;

/// A name that is another thing in the one image than in the other.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Difference {
    /// `added`, `changed` or `removed`.
    pub change: Change,
    /// The name, absolute; text where it is text.
    pub path: Path,
    /// `file`, `directory`, `symlink`, `device`, `fifo`: in the second image, or of what was removed.
    #[serde(rename = "Type")]
    pub kind: &'static str,
    /// Bytes of a file in the second image; absent if it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Bytes of a file in the first image; absent if it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_size: Option<u64>,
    /// In which of these it has changed: `type`, `content`, `target`, `device`, `mode`, `owner`, `mtime`, `xattrs`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<&'static str>,
}

/// What has become of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Only the second image has it.
    Added,
    /// Both have it.
    Changed,
    /// Only the first image has it.
    Removed,
}

/// A name of a file, which may be no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    text: Result<String, Vec<u8>>,
    shown: String,
}

impl Path {
    /// From its bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        Self { text: String::from_utf8(bytes).map_err(std::string::FromUtf8Error::into_bytes), shown }
    }
}

impl Serialize for Path {
    /// Text, or `{"Bytes": [...]}`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.text {
            Ok(text) => serializer.serialize_str(text),
            Err(bytes) => serializer.collect_map([("Bytes", bytes)]),
        }
    }
}

impl Record for Difference {
    const HEADS: &'static [&'static str] = &["CHANGE", "SIZE", "OLD SIZE", "PATH"];

    fn cells(&self) -> Vec<String> {
        let change = match self.change {
            Change::Added => "added",
            Change::Changed => "changed",
            Change::Removed => "removed",
        };
        let size = |size: Option<u64>| size.map_or_else(String::new, crate::size::human);
        vec![change.to_owned(), size(self.size), size(self.old_size), self.path.shown.clone()]
    }

    fn id(&self) -> &str {
        &self.path.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_text_is_its_bytes() {
        let json = |bytes: &[u8]| serde_json::to_string(&Path::new(bytes.to_vec())).unwrap();
        assert_eq!(json(b"/a b"), r#""/a b""#);
        assert_eq!(json(b"/\xff"), r#"{"Bytes":[47,255]}"#);
    }
}
