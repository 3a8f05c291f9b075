//! Runs the body of a test in a process of its own, for tests that change what a whole process shares: signal
//! handlers, limits, filters. The test binary starts itself again with the one test and a mark in its environment.

use std::env;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

const MARK: &str = "FORCEKILL_TEST_CHILD";
/// What starts this program, if that is not the kernel by itself: what cargo is told in `CARGO_TARGET_..._RUNNER`.
const RUNNER: &str = "FORCEKILL_TEST_RUNNER";
const DONE: &str = "the child came to its end";
/// Longer than any chain of waits in one test body; a child that reaches it is killed.
const LONGEST: Duration = Duration::from_secs(120);

/// How a child process ended.
#[derive(Debug)]
pub struct ChildEnd {
    /// Its exit status.
    pub status: ExitStatus,
    /// Whether the body ran to its end.
    pub done: bool,
    /// What it printed on both channels.
    pub output: String,
}

/// Whether this process is the child for `test`.
pub fn is_child(test: &str) -> bool {
    env::var_os(MARK).is_some_and(|mark| mark == test)
}

/// Runs `body` in a child process. In the parent: starts the child, waits, and asserts that it exited with status 0
/// after the last line of `body`. `test` is the name of the calling test function.
///
/// # Panics
/// If the child failed: the test fails with what the child printed. In the child, if `body` does.
pub fn in_own_process(test: &str, body: impl FnOnce()) {
    in_own_process_with(test, &[], body);
}

/// The same, with these variables in the child's environment.
///
/// # Panics
/// As [`in_own_process`].
pub fn in_own_process_with(test: &str, variables: &[(&str, &str)], body: impl FnOnce()) {
    if is_child(test) {
        body();
        println!("{DONE}");
        return;
    }
    match start_with(test, variables) {
        Ok(end) => {
            print!("{}", end.relevant_output());
            assert!(end.status.success() && end.done, "{end}\nrun it alone: {}", command_line(test));
        }
        Err(error) => panic!("the child of {test} could not be started: {error}"),
    }
}

/// Runs the test `test` of this binary in a child process and tells how that ended.
///
/// # Errors
/// If the child cannot be started.
pub fn start(test: &str) -> io::Result<ChildEnd> {
    start_with(test, &[])
}

fn start_with(test: &str, variables: &[(&str, &str)]) -> io::Result<ChildEnd> {
    let mut child = this_program()?
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, test)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let readers = [child.stdout.take().map(read_to_its_end), child.stderr.take().map(read_to_its_end)];
    let deadline = Instant::now() + LONGEST;
    let mut printed = String::new();
    for reader in readers.into_iter().flatten() {
        let left = deadline.saturating_duration_since(Instant::now());
        match reader.recv_timeout(left) {
            Ok(text) => printed += &text,
            Err(_) => {
                child.kill()?;
                printed += &reader.recv().unwrap_or_default();
            }
        }
    }
    let status = child.wait()?;
    Ok(ChildEnd { status, done: printed.contains(DONE), output: printed })
}

/// This program, to be started in the way that it was. An emulator's name and arguments stand in [`RUNNER`], as the kernel
/// knows how to start programs of its own processor alone.
fn this_program() -> io::Result<Command> {
    let program = env::current_exe()?;
    let runner = env::var(RUNNER).unwrap_or_default();
    let mut words = runner.split_whitespace();
    let Some(emulator) = words.next() else { return Ok(Command::new(program)) };
    let mut command = Command::new(emulator);
    command.args(words).arg(program);
    Ok(command)
}

/// Reads on a thread of its own; the text arrives when the other end is closed.
fn read_to_its_end(mut from: impl Read + Send + 'static) -> Receiver<String> {
    let (read, text) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error still helps.
        let _ = from.read_to_end(&mut bytes);
        let _ = read.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    text
}

impl ChildEnd {
    /// The signal that ended the child, if one did.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// What the child printed, without the lines of the test harness.
    fn relevant_output(&self) -> String {
        let mut relevant = String::new();
        for line in self.output.lines() {
            // The harness leaves the line open that it begins with the test's name.
            let line = match line.strip_prefix("test ").and_then(|line| line.split_once(" ... ")) {
                Some((_test, printed)) => printed,
                None => line,
            };
            let noise = ["", "ok", DONE].contains(&line)
                || line.starts_with("running 1 test")
                || line.starts_with("test result:");
            if !noise {
                relevant.push_str(line);
                relevant.push('\n');
            }
        }
        relevant
    }
}

impl fmt::Display for ChildEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.done { "after" } else { "before" };
        write!(f, "the child ended with {} {end} its last line and printed:\n{}", self.status, self.output)
    }
}

fn command_line(test: &str) -> String {
    let binary = env::current_exe().ok();
    let stem = binary.as_ref().and_then(|path| path.file_stem()).and_then(|stem| stem.to_str());
    let file = stem.and_then(|stem| stem.rsplit_once('-')).map_or("*", |(file, _hash)| file);
    format!("cargo test -p forcekill-native-tests --test '{file}' {test} -- --nocapture")
}
