//! One step of a traced execution: who did what, where in the source, and what it did to others.

use std::fmt;
use std::panic::Location;

use forcekill::State;

/// One step of a traced execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The thread, by name.
    pub thread: String,
    /// What it did.
    pub what: String,
    /// The line of the library, of a race or of a model that took the step: the compiler's word, by `#[track_caller]`.
    pub at: &'static Location<'static>,
    /// What else it means.
    pub effects: Vec<Effect>,
}

/// What a step does to others, or has of them: what the arrows and the colours of a drawing are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A thread is started; it will begin with this number.
    Spawns(usize),
    /// The thread that was started with this number begins.
    Begins(usize),
    /// This thread's state is another now.
    Enters {
        /// Whose.
        whose: String,
        /// What it is now.
        state: State,
    },
    /// A wake is sent to this thread.
    Wakes(String),
    /// A flag of this thread's is raised by another.
    Kills(String),
    /// What this monitor holds is another now.
    Changes(String),
    /// A wait for this monitor has ended because of what it holds.
    Sees(String),
    /// The thread is in a call.
    Blocks,
    /// The thread is back from it.
    Returns,
    /// The thread has ended.
    Ends,
}

/// What a thread did, and what that means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// In words.
    pub what: String,
    /// See [`Step::effects`].
    pub effects: Vec<Effect>,
}

impl Deed {
    /// A deed with one effect.
    pub fn with(what: impl Into<String>, effect: Effect) -> Self {
        Self { what: what.into(), effects: vec![effect] }
    }
}

impl From<String> for Deed {
    fn from(what: String) -> Self {
        Self { what, effects: Vec::new() }
    }
}

impl From<&str> for Deed {
    fn from(what: &str) -> Self {
        what.to_string().into()
    }
}

impl Step {
    /// Whether it says something that a line is worth.
    pub fn explains(&self) -> bool {
        self.what != "absorbs nothing" && !matches!(self.effects[..], [Effect::Begins(_)])
    }
}

/// How a value changed, as its debug form shows it: of structs and of lists that are as long as before the parts that are not the same,
/// of anything else the whole.
pub fn difference(before: &impl fmt::Debug, after: &impl fmt::Debug) -> String {
    let mut changes = Vec::new();
    find_changes("", &format!("{before:?}"), &format!("{after:?}"), &mut changes);
    changes.join(", ")
}

fn find_changes(path: &str, before: &str, after: &str, changes: &mut Vec<String>) {
    if before == after {
        return;
    }
    let dot = if path.is_empty() { "" } else { "." };
    if let (Some((name, old)), Some((new_name, new))) = (fields(before), fields(after))
        && name == new_name
        && old.iter().map(|field| field.0).eq(new.iter().map(|field| field.0))
    {
        for ((field, old), (_, new)) in old.iter().zip(&new) {
            find_changes(&format!("{path}{dot}{field}"), old, new, changes);
        }
    } else if let (Some(old), Some(new)) = (elements(before), elements(after))
        && old.len() == new.len()
    {
        for (nth, (old, new)) in old.iter().zip(&new).enumerate() {
            find_changes(&format!("{path}[{nth}]"), old, new, changes);
        }
    } else if path.is_empty() {
        changes.push(format!("{before} → {after}"));
    } else {
        changes.push(format!("{path} {before} → {after}"));
    }
}

/// The name of a struct and its fields, each with its value; `None` if this is no struct.
fn fields(debug: &str) -> Option<(&str, Vec<(&str, &str)>)> {
    let (name, rest) = debug.split_once(" { ")?;
    let inner = rest.strip_suffix(" }").filter(|_| name.chars().all(char::is_alphanumeric))?;
    let fields: Option<Vec<_>> = parts(inner).into_iter().map(|field| field.split_once(": ")).collect();
    Some((name, fields?))
}

/// The elements of a list; `None` if this is none.
fn elements(debug: &str) -> Option<Vec<&str>> {
    let inner = debug.strip_prefix('[')?.strip_suffix(']')?;
    Some(if inner.is_empty() { Vec::new() } else { parts(inner) })
}

/// What stands between the commas that are in no brackets.
fn parts(inner: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (at, letter) in inner.char_indices() {
        match letter {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(inner[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(inner[start..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    #[expect(dead_code, reason = "its debug form is what is looked at")]
    struct Value {
        phase: &'static str,
        seats: Vec<(u32, u32)>,
    }

    #[test]
    fn a_difference_of_structs_names_the_fields_that_changed() {
        let value = |phase, seats: &[(u32, u32)]| Value { phase, seats: seats.to_vec() };
        let change = difference(&value("Up", &[(1, 2)]), &value("Down", &[(1, 2)]));
        assert_eq!(change, r#"phase "Up" → "Down""#);
        let change = difference(&value("Up", &[(1, 2), (3, 4)]), &value("Down", &[(1, 2)]));
        assert_eq!(change, r#"phase "Up" → "Down", seats [(1, 2), (3, 4)] → [(1, 2)]"#);
    }

    #[test]
    fn a_difference_goes_into_lists_and_the_structs_in_them() {
        let value = |phase, seats: &[(u32, u32)]| Value { phase, seats: seats.to_vec() };
        let (before, after) = (value("Up", &[(1, 2), (3, 4)]), value("Up", &[(1, 2), (3, 5)]));
        assert_eq!(difference(&before, &after), "seats[1] (3, 4) → (3, 5)");
        assert_eq!(difference(&vec![before], &vec![after]), "[0].seats[1] (3, 4) → (3, 5)");
        assert_eq!(difference(&Vec::<u32>::new(), &vec![1]), "[] → [1]");
    }

    #[derive(Debug)]
    #[expect(dead_code, reason = "its debug form is what is looked at")]
    enum Usage {
        Taken { pool: u32 },
        Left { pool: u32 },
    }

    #[test]
    fn another_variant_is_another_value_although_its_fields_are_the_same() {
        let change = difference(&Usage::Taken { pool: 1 }, &Usage::Left { pool: 1 });
        assert_eq!(change, "Taken { pool: 1 } → Left { pool: 1 }");
        assert_eq!(difference(&Usage::Taken { pool: 1 }, &Usage::Taken { pool: 2 }), "pool 1 → 2");
    }

    #[test]
    fn a_difference_of_anything_else_is_the_whole() {
        assert_eq!(difference(&1, &2), "1 → 2");
        assert_eq!(difference(&vec![1, 2], &Vec::<u32>::new()), "[1, 2] → []");
        assert_eq!(difference(&None::<u32>, &Some(1)), "None → Some(1)");
    }
}
