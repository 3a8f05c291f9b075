//! What the states and events mean: the doc comments of the library's table, read from its source, so that they are written
//! once.

const SOURCE: &str = include_str!("../../../src/state.rs");

/// What each state means, in the order of its declaration: its name, and its doc comment in one line.
pub fn states() -> Vec<(String, String)> {
    documented(between("pub enum State {", "\n}"), |item| item.strip_suffix(','))
}

/// What each event means, in the order of the table: its name, and its doc comment in one line.
pub fn events() -> Vec<(String, String)> {
    documented(between("\ntransitions! {", "\n}"), |item| item.split_once(" by ").map(|(name, _)| name))
}

/// # Panics
/// If the source has no such part; a test would have failed before.
fn between(start: &str, end: &str) -> &'static str {
    let (_, rest) = SOURCE.split_once(start).expect("the table's source has this part");
    rest.split_once(end).expect("the part has an end").0
}

/// The items whose lines `name` knows, with the doc comments before them.
fn documented(source: &str, name: impl Fn(&str) -> Option<&str>) -> Vec<(String, String)> {
    let (mut items, mut comment) = (Vec::new(), Vec::new());
    for line in source.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("/// ") {
            comment.push(words);
        } else if let Some(name) = name(line) {
            items.push((name.to_string(), comment.join(" ")));
            comment.clear();
        }
    }
    items
}
