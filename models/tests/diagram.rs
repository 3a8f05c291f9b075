//! The state diagram and docs/STATES.md have what the table has.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use forcekill::state::{Event, State, TRANSITIONS, Transition};
use forcekill_models::diagram::{Format, draw, meanings, page};

/// Each row of the table that a line of a diagram draws, as often as it does: the line has both states and the event.
fn drawn(line: &str, arrow: &str, line_break: &str) -> Vec<Transition> {
    let Some((from, rest)) = line.trim().split_once(arrow) else { return Vec::new() };
    let Some((to, label)) = rest.split_once([':', '[']) else { return Vec::new() };
    let label = label.trim().trim_start_matches("label=\"").trim_end_matches("\"];");
    let row = |label: &str| {
        let (event, _by) = label.split_once(" (").expect("an event and who makes it");
        let is_it = |row: &&Transition| {
            (row.from.to_string(), row.to.to_string()) == (from.trim().into(), to.trim().into())
                && format!("{:?}", row.event) == event
        };
        *TRANSITIONS.iter().find(is_it).unwrap_or_else(|| panic!("not in the table: {line}"))
    };
    label.split(line_break).map(row).collect()
}

#[test]
fn every_transition_is_drawn_exactly_once() {
    for (format, arrow, line_break) in [(Format::Mermaid, " --> ", "<br/>"), (Format::Dot, " -> ", "\\n")] {
        let text = draw(format);
        let drawn: Vec<_> = text.lines().flat_map(|line| drawn(line, arrow, line_break)).collect();
        for row in TRANSITIONS {
            let times = drawn.iter().filter(|it| *it == row).count();
            assert_eq!(times, 1, "{row:?} in {format:?}:\n{text}");
        }
        assert_eq!(drawn.len(), TRANSITIONS.len(), "{format:?}:\n{text}");
    }
}

#[test]
fn several_events_between_two_states_are_one_edge() {
    let pairs: BTreeSet<_> = TRANSITIONS.iter().map(|row| (row.from, row.to)).collect();
    assert!(pairs.len() < TRANSITIONS.len(), "no two states have two events any more");
    let edges = |format, arrow| draw(format).lines().filter(|line| line.contains(arrow)).count();
    assert_eq!(edges(Format::Mermaid, " --> "), pairs.len() + 1, "and the start");
    assert_eq!(edges(Format::Dot, " -> "), pairs.len());
    let both =
        "Ready --> ShuttingDown : RequestShutdown (init, scaler, shutdown)<br/>FailBoot (PHP thread)\n";
    assert!(draw(Format::Mermaid).contains(both), "{}", draw(Format::Mermaid));
    let both = "Ready -> ShuttingDown [label=\"RequestShutdown (init, scaler, shutdown)\\nFailBoot (PHP thread)\"];\n";
    assert!(draw(Format::Dot).contains(both), "{}", draw(Format::Dot));
}

#[test]
fn stable_states_alone_are_marked() {
    let mermaid = draw(Format::Mermaid);
    assert!(mermaid.contains("    class Inactive, Ready stable\n"), "{mermaid}");
    let dot = draw(Format::Dot);
    for state in State::ALL {
        let is_marked = dot.contains(&format!("    {state} [peripheries=2];\n"));
        assert_eq!(is_marked, state.is_stable(), "{state}:\n{dot}");
        assert!(is_marked || dot.contains(&format!("    {state};\n")), "{state} is no node:\n{dot}");
    }
}

/// The comments are read from the source as text, so whoever writes it differently must find out here.
#[test]
fn every_state_and_event_has_its_meaning() {
    let names = |items: Vec<(String, String)>| items.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(meanings::states()), State::ALL.map(|state| state.to_string()));
    let events: Vec<_> = Event::ALL.iter().map(|event| format!("{event:?}")).collect();
    assert_eq!(names(meanings::events()), events);
    for (name, meaning) in meanings::states().into_iter().chain(meanings::events()) {
        assert!(meaning.ends_with('.') && !meaning.contains('|'), "{name}: {meaning:?}");
    }
}

#[test]
fn the_page_has_what_the_program_generates() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/STATES.md");
    let written = fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    let generated = page::regenerate(&written).unwrap();
    let first = written.lines().zip(generated.lines()).find(|(one, other)| one != other);
    assert!(written == generated, "docs/STATES.md is not up to date; run: {}\n{first:?}", page::COMMAND);
    assert!(written.contains(page::COMMAND), "docs/STATES.md names another command than {}", page::COMMAND);
}

#[test]
fn a_page_without_a_marker_is_refused_and_the_rest_of_a_page_stays() {
    let error = page::regenerate("<!-- generated: states -->\n").unwrap_err();
    assert_eq!(error, "no line '<!-- end of states -->' after its start");
    let part = |name| format!("before {name}\n<!-- generated: {name} -->\nold\n<!-- end of {name} -->\n");
    let page: String = ["states", "transitions", "events", "mermaid"].map(part).concat() + "after\n";
    let regenerated = page::regenerate(&page).unwrap();
    assert!(!regenerated.contains("old\n") && regenerated.ends_with("after\n"), "{regenerated}");
    assert!(regenerated.starts_with("before states\n") && regenerated.contains("\nbefore mermaid\n"));
    assert_eq!(page::regenerate(&regenerated).unwrap(), regenerated, "twice is once");
}
