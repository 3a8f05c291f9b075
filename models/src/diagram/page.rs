//! The generated parts of docs/STATES.md, and how they get there.
//!
//! A part stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->`. What stands outside is written by hand.

use forcekill::state::{State, TRANSITIONS};

use super::{Format, actors, draw, meanings};

/// The command that rewrites the generated parts, run at the root of the repository.
pub const COMMAND: &str = "cargo run -p forcekill-models --bin forcekill -- diagram --page docs/STATES.md";

/// The page, with its generated parts as the table has them now.
///
/// # Errors
/// A line that says which marker is missing.
pub fn regenerate(page: &str) -> Result<String, String> {
    let parts =
        [("states", states()), ("transitions", transitions()), ("events", events()), ("mermaid", mermaid())];
    parts.into_iter().try_fold(page.to_string(), |page, (name, text)| replace(&page, name, &text))
}

/// The page with another text in this part.
pub(crate) fn replace(page: &str, name: &str, text: &str) -> Result<String, String> {
    let (start, end) = (format!("<!-- generated: {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = page.split_once(&start).ok_or_else(|| format!("no line '{}'", start.trim_end()))?;
    let (_, after) = rest.split_once(&end).ok_or_else(|| format!("no line '{end}' after its start"))?;
    Ok(format!("{before}{start}{text}{end}{after}"))
}

fn states() -> String {
    let row = |(state, (name, meaning)): (State, (String, String))| {
        let safe_request = match state {
            _ if state.is_stable() => "taken",
            _ if state.refuses_requests() => "refused",
            _ => "waits",
        };
        format!("| {name} | {meaning} | {safe_request} |\n")
    };
    let rows: String = State::ALL.into_iter().zip(meanings::states()).map(row).collect();
    format!("| state | what it means | a safe request |\n|---|---|---|\n{rows}")
}

fn transitions() -> String {
    let rows = TRANSITIONS
        .iter()
        .map(|row| format!("| {} | {:?} | {} | {} |\n", row.from, row.event, row.to, actors(row)));
    format!("| from | event | to | by |\n|---|---|---|---|\n{}", rows.collect::<String>())
}

fn events() -> String {
    let rows = meanings::events().into_iter().map(|(name, meaning)| format!("| {name} | {meaning} |\n"));
    format!("| event | what happens |\n|---|---|\n{}", rows.collect::<String>())
}

fn mermaid() -> String {
    format!("```mermaid\n{}```\n", draw(Format::Mermaid))
}
