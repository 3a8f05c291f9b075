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

/// How a value changed, as its debug form shows it: of a struct the fields that are not the same, of anything else the whole.
pub fn difference(before: &impl fmt::Debug, after: &impl fmt::Debug) -> String {
    let (before, after) = (format!("{before:?}"), format!("{after:?}"));
    let fields = fields(&before).zip(fields(&after));
    let fields =
        fields.filter(|(old, new)| old.iter().map(|field| field.0).eq(new.iter().map(|field| field.0)));
    let Some((old, new)) = fields else { return format!("{before} → {after}") };
    let changed = old.iter().zip(&new).filter(|(old, new)| old != new);
    let changed = changed.map(|((name, old), (_, new))| format!("{name} {old} → {new}"));
    changed.collect::<Vec<_>>().join(", ")
}

/// The fields of a struct, each with its value; `None` if this is no struct.
fn fields(debug: &str) -> Option<Vec<(&str, &str)>> {
    let (name, rest) = debug.split_once(" { ")?;
    let inner = rest.strip_suffix(" }").filter(|_| name.chars().all(char::is_alphanumeric))?;
    let (mut depth, mut start, mut fields) = (0_usize, 0, Vec::new());
    for (at, letter) in inner.char_indices() {
        match letter {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                fields.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    fields.push(&inner[start..]);
    fields.into_iter().map(|field| field.trim().split_once(": ")).collect()
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
    fn a_difference_of_anything_else_is_the_whole() {
        assert_eq!(difference(&1, &2), "1 → 2");
        assert_eq!(difference(&vec![1], &Vec::<u32>::new()), "[1] → []");
        assert_eq!(difference(&None::<u32>, &Some(1)), "None → Some(1)");
    }
}
