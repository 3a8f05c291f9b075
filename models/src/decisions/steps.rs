//! The steps as the library declares them: the tables at the top of its two modules, read from their source, so that they are
//! written once.

const SLOT_AND_LIFECYCLE: &str = include_str!("../../../src/steps.rs");
const RUNTIME: &str = include_str!("../../../src/steps/runtime.rs");

/// One step, as its module's table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The method.
    pub name: &'static str,
    /// What its default does.
    pub sound_form: &'static str,
    /// What breaks if it does something else.
    pub breaks_otherwise: &'static str,
}

/// The steps of a slot and of a lifecycle: those of `Steps`.
pub fn steps() -> Vec<Step> {
    rows(SLOT_AND_LIFECYCLE)
}

/// The steps of a runtime: those of `RuntimeSteps`.
pub fn runtime_steps() -> Vec<Step> {
    rows(RUNTIME)
}

/// The rows of a table whose first column links to a step.
fn rows(source: &'static str) -> Vec<Step> {
    let row = |line: &'static str| {
        let mut cells = line.strip_prefix("//! | [`")?.split(" | ");
        let (name, _link) = cells.next()?.split_once("`](")?;
        let (sound_form, breaks_otherwise) = (cells.next()?, cells.next()?.strip_suffix(" |")?);
        Some(Step { name, sound_form, breaks_otherwise })
    };
    source.lines().filter_map(row).collect()
}
