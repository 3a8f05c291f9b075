//! A traced execution as a drawing.

use std::panic::Location;

use forcekill_html_report::{ArrowKind, Diagram, Sketch};

use crate::step::{Effect, Step};

/// The drawing, without its heading. Steps that explain nothing are left out.
pub fn diagram(steps: &[Step]) -> Diagram {
    let mut sketch = Sketch::default();
    for step in steps {
        if let [Effect::Begins(number)] = step.effects[..] {
            sketch.begins(&step.thread, number);
        } else if step.explains() {
            sketch.step(&step.thread, &step.what, None, Some(source(step.at)));
            for effect in &step.effects {
                tell(&mut sketch, &step.thread, effect);
            }
        }
    }
    sketch.finish()
}

fn tell(sketch: &mut Sketch, thread: &str, effect: &Effect) {
    match effect {
        Effect::Spawns(number) => sketch.spawns(*number),
        Effect::Begins(number) => sketch.begins(thread, *number),
        Effect::Enters { whose, state } => sketch.enters(whose, state.to_string()),
        Effect::Wakes(whom) => sketch.reaches(ArrowKind::Wake, whom),
        Effect::Kills(whom) => sketch.reaches(ArrowKind::Kill, whom),
        Effect::Changes(monitor) => sketch.changes(monitor),
        Effect::Sees(monitor) => sketch.sees(monitor),
        Effect::Blocks => sketch.blocks(),
        Effect::Returns => sketch.returns(),
        Effect::Ends => sketch.enters(thread, "Done"),
    };
}

/// A file of the repository, and the line in it.
fn source(at: &Location<'_>) -> String {
    format!("{}:{}", at.file().replace('\\', "/"), at.line())
}
