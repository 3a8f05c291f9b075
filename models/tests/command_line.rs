//! The program as a user meets it: what it prints, and its exit status.

use std::fs;
use std::process::{Command, Output};

fn forcekill(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_forcekill")).args(arguments).output().expect("the program starts")
}

fn status(output: &Output) -> Option<i32> {
    output.status.code()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Bad usage and bad input: one line that names what was wrong, and exit status 2.
#[test]
fn bad_input_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign");
    fs::write(&foreign, "91010ccdedf9592aba2afd70104\nmore\n").unwrap();
    let binary = folder.path().join("binary");
    fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
    let (foreign, binary, missing) =
        (foreign.to_str().unwrap(), binary.to_str().unwrap(), folder.path().join("missing"));
    let unwritable = missing.join("results.json");
    let unmarked = folder.path().join("unmarked.md");
    fs::write(&unmarked, "# States\n").unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["prove", "--nonsense"], "--nonsense"),
        (&["--nonsense"], "--nonsense"),
        (&["provee"], "provee"),
        (&["prove", "--property", "no-bugs"], "unknown property 'no-bugs'"),
        (&["prove", "--design", "pr-1"], "unknown design 'pr-1'"),
        (&["prove", "--model", "fashion"], "unknown model 'fashion'"),
        (&["prove", "--property", "latch-holds", "--model", "flag-order"], "no model settles"),
        (&["prove", "--model", "release-once", "--json", unwritable.to_str().unwrap()], "cannot write"),
        (&["prove", "--model", "release-once", "--html", unwritable.to_str().unwrap()], "cannot write"),
        (&["prove", "--page", missing.to_str().unwrap()], "cannot rewrite"),
        (&["prove", "--page", unmarked.to_str().unwrap()], "no line '<!-- generated: table -->'"),
        (&["prove", "--page", unmarked.to_str().unwrap(), "--size", "1"], "cannot be used with"),
        (&["simulate", "--runs", "1", "--html", unwritable.to_str().unwrap()], "cannot write"),
        (&["explain", "--property", "no-bugs"], "unknown property 'no-bugs'"),
        (&["explain", "--design", "pr-1"], "unknown design 'pr-1'"),
        (
            &["explain", "--design", "one-signal-only", "--property", "latch-holds"],
            "no model of one-signal-only settles",
        ),
        (&["diagram", "--format", "svg"], "invalid value 'svg'"),
        (&["diagram", "--output", unwritable.to_str().unwrap()], "cannot write"),
        (&["diagram", "--output", folder.path().to_str().unwrap()], "cannot write"),
        (&["diagram", "--page", missing.to_str().unwrap()], "cannot rewrite"),
        (&["diagram", "--page", unmarked.to_str().unwrap()], "no line '<!-- generated: states -->'"),
        (&["diagram", "--format", "dot", "--page", unmarked.to_str().unwrap()], "cannot be used with"),
        (&["replay"], "SCHEDULE"),
        (&["replay", missing.to_str().unwrap()], "cannot read the schedule"),
        (&["replay", folder.path().to_str().unwrap()], "cannot read the schedule"),
        (&["replay", foreign], "not a schedule of forcekill"),
        (&["replay", binary], "cannot read the schedule"),
        (&["replay", "fk1:x"], "not a schedule of forcekill"),
    ];
    for (arguments, reason) in cases {
        let output = forcekill(arguments);
        let line = text(&output.stderr);
        assert_eq!(status(&output), Some(2), "{arguments:?}: {line}");
        assert!(line.contains(reason) && line.trim_end().lines().count() == 1, "{arguments:?}: {line}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

#[test]
fn every_command_documents_itself() {
    for command in ["", "prove", "explain", "replay", "demo", "diagram"] {
        let command = [command, "--help"];
        let output = forcekill(if command[0].is_empty() { &command[1..] } else { &command });
        assert_eq!(status(&output), Some(0));
        assert!(text(&output.stdout).contains("Usage:"), "{command:?}");
    }
}

/// The diagram goes to standard output or to a file, and is the same.
#[test]
fn the_diagram_is_printed_or_written() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    for (format, start) in [("mermaid", "stateDiagram-v2\n"), ("dot", "digraph states {\n")] {
        let printed = forcekill(&["diagram", "--format", format]);
        assert_eq!(status(&printed), Some(0), "{format}: {}", text(&printed.stderr));
        assert!(text(&printed.stdout).starts_with(start), "{format}: {}", text(&printed.stdout));
        let written = forcekill(&["diagram", "--format", format, "--output", path]);
        assert_eq!((status(&written), text(&written.stdout)), (Some(0), String::new()), "{format}");
        assert_eq!(fs::read_to_string(path).unwrap(), text(&printed.stdout), "{format}");
    }
    assert_eq!(
        forcekill(&["diagram"]).stdout,
        forcekill(&["diagram", "--format", "mermaid"]).stdout,
        "Mermaid is the default"
    );
}

/// What `explain` prints, `replay` plays again, from the command line and from a file.
#[test]
fn what_is_explained_can_be_replayed() {
    let folder = tempfile::tempdir().unwrap();
    for (design, property) in [
        ("pr-2365", "no-lost-kill"),
        ("pr-2365", "kill-hits-its-run"),
        ("clear-after-free", "no-access-after-free"),
        ("store-without-release", "flags-in-order"),
        ("wake-after-unlock", "wake-hits-its-thread"),
    ] {
        let explained = forcekill(&["explain", "--design", design, "--property", property]);
        let drawing = text(&explained.stdout);
        assert_eq!(status(&explained), Some(0), "{design}");
        let steps = drawing.lines().filter(|line| line.starts_with('│')).count();
        assert!((3..=24).contains(&steps), "{design} takes {steps} lines:\n{drawing}");
        let schedule = drawing.split_once("forcekill replay ").expect("the command that replays it").1.trim();
        let replayed = forcekill(&["replay", schedule]);
        assert_eq!(status(&replayed), Some(0), "{schedule}: {}", text(&replayed.stderr));
        let last_line = |text: &str| text.lines().find(|line| line.starts_with(property)).map(str::to_string);
        assert!(text(&replayed.stdout).contains(&format!("{property}: ")), "{drawing}");
        assert_eq!(
            last_line(&text(&replayed.stdout)),
            drawing.lines().rev().find(|line| line.starts_with(property)).map(str::to_string)
        );
        let file = folder.path().join(design);
        fs::write(&file, format!("{schedule}\n")).unwrap();
        assert_eq!(status(&forcekill(&["replay", file.to_str().unwrap()])), Some(0));
    }
}

/// A schedule of a broken design, played with the sound steps, breaks nothing: exit status 1.
#[test]
fn a_schedule_that_does_not_fail_again_says_so() {
    let broken = forcekill(&["explain", "--design", "pr-2365", "--property", "no-lost-kill"]);
    let drawing = text(&broken.stdout);
    let schedule = drawing.split_once("forcekill replay ").unwrap().1.trim();
    let sound = forcekill(&["replay", &schedule.replace("pr-2365", "forcekill")]);
    assert_eq!(status(&sound), Some(1));
    assert!(text(&sound.stdout).contains("did not break this time"));
}

/// The table of a part has the rows and columns that were asked for, then come the commands, then the verdict; and what a
/// part leaves out is no shortcoming.
#[test]
fn the_table_is_the_last_before_the_verdict() {
    let asked = ["--property", "kill-hits-its-run", "--design", "pr-2365", "--design", "forcekill"];
    let output =
        forcekill(&[&["prove", "--model", "kill-against-next-run", "--size", "1"], &asked[..]].concat());
    assert_eq!(status(&output), Some(0), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let table = &printed[printed.rfind('┌').expect("a table")..];
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with('│')).collect();
    let words: Vec<Vec<_>> = rows.iter().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["│", "property", "forcekill", "pr-2365", "│"]);
    let cells = ["│", "kill-hits-its-run", "proved", "3,", "∞", "REFUTED", "1", "killer", "│"];
    assert_eq!(words[1], cells, "{table}");
    assert_eq!(
        words[2..],
        [["│", "kill-against-", "│"], ["│", "next-run", "│"]],
        "one property was asked for"
    );
    let after: Vec<_> = table.lines().rev().collect();
    assert!(after[0].starts_with("All is as claimed."), "{table}");
    let command = after.iter().find_map(|line| line.strip_prefix("forcekill replay "));
    let schedule = command.expect("the command that replays it");
    assert!(
        schedule.starts_with("fk1:explore:pr-2365:kill-hits-its-run:kill-against-next-run:1:"),
        "{table}"
    );
    assert_eq!(status(&forcekill(&["replay", schedule])), Some(0), "{schedule}");
}

/// The contract's JSON, for a part of the searches.
#[test]
fn the_json_has_the_contracts_form() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let output = forcekill(&["prove", "--model", "kill-against-next-run", "--summary", "--json", path]);
    assert_eq!(status(&output), Some(0), "{}", text(&output.stdout));
    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let cells = json["cells"].as_array().unwrap();
    // loom and shuttle in three sizes and the explorer in two for ours, in one for the pull request; the later designs, whose
    // slot is the pull request's, in one size.
    assert_eq!(cells.len(), 8 + 7 + 3 + 3);
    for cell in cells {
        let keys: Vec<_> = cell.as_object().unwrap().keys().map(String::as_str).collect();
        let mut contract = vec![
            "complete",
            "design",
            "engine",
            "executions",
            "model",
            "php_threads",
            "preemption_bound",
            "property",
            "schedule",
            "seconds",
            "verdict",
        ];
        contract.sort_unstable();
        assert_eq!(keys, contract);
        assert_eq!(cell["schedule"].is_null(), cell["verdict"] != "refuted");
        assert_eq!(cell["verdict"] == "refuted", cell["design"] != "forcekill");
    }
    let refuted = cells.iter().find(|cell| cell["verdict"] == "refuted").unwrap();
    assert_eq!(status(&forcekill(&["replay", refuted["schedule"].as_str().unwrap()])), Some(0));
    assert!(json["reached"].as_array().unwrap().iter().all(|moment| moment["hits"].as_u64().unwrap() > 0));
    let defects = json["defects"].as_array().unwrap();
    assert!(
        defects.iter().all(|defect| !defect["caught_by"].as_array().unwrap().is_empty())
            && defects.len() == 6
    );
    assert_eq!(json["transitions"]["declared"], 0);
}
