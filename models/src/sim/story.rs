//! A trace as a person reads it: what each actor does until another goes on is one step, and what changes nothing is left out.

use crate::explain::Line;
use crate::trace::{Kind, Step};

/// What a story says of a trace, up to what broke.
pub fn of(trace: &[Step]) -> Vec<Line> {
    let end = trace.iter().position(|step| step.broke.is_some()).map_or(trace.len(), |broke| broke + 1);
    let mut story: Vec<(String, u64, Vec<String>)> = Vec::new();
    for step in trace[..end].iter().filter(|step| step.tells()) {
        let Some(what) = phrase(step) else { continue };
        match story.last_mut().filter(|(actor, at_ns, _)| (actor, *at_ns) == (&step.actor, step.at_ns)) {
            Some((.., said)) if said.last() == Some(&what) => {}
            Some((.., said)) => said.push(what),
            None => story.push((step.actor.clone(), step.at_ns, vec![what])),
        }
    }
    merge_kills(&mut story);
    story
        .into_iter()
        .map(|(thread, at_ns, said)| {
            let time = format!("{} ms: ", at_ns / 1_000_000);
            Line { thread, what: time + &said.join("; ") }
        })
        .collect()
}

/// What a step says.
fn phrase(step: &Step) -> Option<String> {
    if let Some(broke) = &step.broke {
        return Some(format!("breaks {}", broke.property));
    }
    match step.kind {
        // The wake-up follows at once, and says it.
        Kind::Kill => None,
        Kind::Wake => step.toward.as_ref().map(|whom| format!("kills {whom}")),
        Kind::Spawn => Some("starts a thread".to_string()),
        _ => Some(step.what.clone()),
    }
}

/// Kills that nobody answers are one step, whatever their times.
fn merge_kills(story: &mut Vec<(String, u64, Vec<String>)>) {
    let is_kill = |said: &[String]| said.iter().all(|what| what.starts_with("kills "));
    let mut merged: Vec<(String, u64, Vec<String>)> = Vec::new();
    for (actor, at_ns, said) in story.drain(..) {
        let continues = |last: &(String, u64, Vec<String>)| {
            last.0 == actor && is_kill(&said) && last.2.last().is_some_and(|what| what.starts_with("kills "))
        };
        match merged.last_mut().filter(|last| continues(last)) {
            Some(last) => {
                let what = format!("{}, again and again", said[0].trim_end_matches(", again and again"));
                last.2.pop();
                last.2.push(what);
            }
            None => merged.push((actor, at_ns, said)),
        }
    }
    *story = merged;
}
