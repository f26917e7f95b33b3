//! Changes JSON documents as trees, so that what comes out is mostly still one and reaches what lies
//! behind the parser. One time in eight the bytes are changed instead.

use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Map, Value};

/// Texts that are interesting somewhere.
const TEXTS: &[&str] = &[
    "",
    "/",
    ".",
    "..",
    "/..",
    "a",
    "/a",
    "a/../b",
    "/proc",
    "/proc/self",
    "/dev",
    "/dev/null",
    "/sys",
    "/etc",
    "//",
    "/a\u{0}b",
    "\u{0}",
    "\u{fffd}",
    "ä",
    "\n",
    " ",
    "0",
    "-1",
    "4294967295",
    "18446744073709551616",
    "1.0.0",
    "2.0.0",
    "rw",
    "ro",
    "bind",
    "none",
    "tmpfs",
    "x=y",
    "=",
    "sh",
];

const NUMBERS: &[i64] = &[
    0,
    1,
    2,
    3,
    5,
    6,
    7,
    255,
    256,
    4095,
    4096,
    65535,
    65536,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    i64::MAX,
    i64::MIN,
    -1,
    -2,
    -4096,
];

/// A document that has every field, to take parts of.
#[derive(Debug)]
pub struct Template {
    nodes: Vec<(Vec<Step>, Value)>,
    texts: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(String),
    Item,
}

impl Template {
    /// Reads it: a document, or an array of several.
    ///
    /// # Panics
    /// If it is no JSON.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).unwrap();
        let (mut nodes, mut texts) = (Vec::new(), TEXTS.iter().map(|t| (*t).to_owned()).collect());
        collect(&value, &mut Vec::new(), &mut nodes, &mut texts);
        Self { nodes, texts }
    }
}

fn collect(
    value: &Value,
    path: &mut Vec<Step>,
    nodes: &mut Vec<(Vec<Step>, Value)>,
    texts: &mut Vec<String>,
) {
    nodes.push((path.clone(), value.clone()));
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                path.push(Step::Key(key.clone()));
                collect(value, path, nodes, texts);
                path.pop();
            }
        }
        Value::Array(list) => {
            for value in list {
                path.push(Step::Item);
                collect(value, path, nodes, texts);
                path.pop();
            }
        }
        Value::String(text) => texts.push(text.clone()),
        _ => {}
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }
}

/// A mutator for libFuzzer: changes `data`, of which `size` bytes are used, and returns how many are then.
pub fn mutate(template: &Template, data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random(u64::from(seed));
    let parsed = serde_json::from_slice::<Value>(data.get(..size).unwrap_or_default());
    let Ok(mut value) = parsed else { return fuzzer_mutate(data, size, max_size) };
    if random.below(8) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    for _ in 0..=random.below(4) {
        change(template, &mut value, &mut random);
    }
    match serde_json::to_vec(&value) {
        Ok(text) if text.len() <= max_size && text.len() <= data.len() => {
            data[..text.len()].copy_from_slice(&text);
            text.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
}

fn change(template: &Template, root: &mut Value, random: &mut Random) {
    match random.below(4) {
        0 | 1 => graft(template, root, random),
        _ => {
            let count = count(root);
            let at = random.below(count);
            if let Some(node) = nth(root, &mut { at }) {
                alter(template, node, random);
            }
        }
    }
}

/// Puts a part of the template where it belongs; on its way lists get one more item, or reuse one.
fn graft(template: &Template, root: &mut Value, random: &mut Random) {
    let Some((path, part)) = random.of(&template.nodes) else { return };
    let mut node = root;
    for step in path {
        match step {
            Step::Key(key) => {
                if !node.is_object() {
                    *node = Value::Object(Map::new());
                }
                let Value::Object(map) = node else { return };
                node = map.entry(key.clone()).or_insert(Value::Null);
            }
            Step::Item => {
                if !node.is_array() {
                    *node = Value::Array(Vec::new());
                }
                let Value::Array(list) = node else { return };
                let at = random.below(list.len() + 1);
                if at == list.len() {
                    list.push(Value::Null);
                }
                let Some(item) = list.get_mut(at) else { return };
                node = item;
            }
        }
    }
    *node = part.clone();
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Object(map) => map.values().map(count).sum(),
        Value::Array(list) => list.iter().map(count).sum(),
        _ => 0,
    }
}

fn nth<'v>(value: &'v mut Value, at: &mut usize) -> Option<&'v mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Object(map) => map.values_mut().find_map(|value| nth(value, at)),
        Value::Array(list) => list.iter_mut().find_map(|value| nth(value, at)),
        _ => None,
    }
}

/// Changes one node.
fn alter(template: &Template, node: &mut Value, random: &mut Random) {
    match (random.below(6), &mut *node) {
        (0 | 1, Value::Array(list)) if !list.is_empty() => {
            let at = random.below(list.len());
            let copy = list[at].clone();
            list.insert(random.below(list.len() + 1), copy);
        }
        (2, Value::Array(list)) if !list.is_empty() => drop(list.remove(random.below(list.len()))),
        (3, Value::Array(list)) if list.len() > 1 => {
            let (a, b) = (random.below(list.len()), random.below(list.len()));
            list.swap(a, b);
        }
        (0..=3, Value::Object(map)) if !map.is_empty() => {
            let key = map.keys().nth(random.below(map.len())).cloned();
            drop(key.and_then(|key| map.remove(&key)));
        }
        (0..=2, Value::Number(_)) => *node = number(random),
        (0..=1, Value::String(text)) => *text = edit(text, random),
        (2..=4, Value::String(text)) => {
            if let Some(other) = random.of(&template.texts) {
                text.clone_from(other);
            }
        }
        (5, _) => {
            *node = match random.below(7) {
                0 => Value::Null,
                1 => Value::Bool(random.below(2) == 0),
                2 => number(random),
                3 => Value::String("x".repeat(1 << random.below(14))),
                4 => Value::Array(Vec::new()),
                5 => Value::Object(Map::new()),
                _ => random.of(&template.nodes).map_or(Value::Null, |(_, part)| part.clone()),
            }
        }
        _ => graft_here(template, node, random),
    }
}

fn graft_here(template: &Template, node: &mut Value, random: &mut Random) {
    if let (Value::Number(_), Some((_, Value::Number(part)))) = (&*node, random.of(&template.nodes)) {
        *node = Value::Number(part.clone());
    } else if node.is_number() {
        *node = number(random);
    }
}

fn number(random: &mut Random) -> Value {
    match random.below(4) {
        0 => Value::from(random.next()),
        1 => Value::from(1u64 << random.below(64)),
        _ => random.of(NUMBERS).copied().map_or(Value::Null, Value::from),
    }
}

/// Changes a few letters.
fn edit(text: &str, random: &mut Random) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let any = ['/', '.', ':', ',', '=', '0', '9', 'a', '-', '\u{0}', 'ß', ' ', '\n', '*', '%'];
    let letter = *random.of(&any).unwrap_or(&'x');
    let at = random.below(letters.len() + 1);
    match random.below(3) {
        0 => letters.insert(at, letter),
        1 if at < letters.len() => drop(letters.remove(at)),
        _ if at < letters.len() => letters[at] = letter,
        _ => letters.push(letter),
    }
    letters.into_iter().collect()
}
