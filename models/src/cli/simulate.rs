//! `forcekill simulate`

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write, stderr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use forcekill_models::explain;
use forcekill_models::report::html::simulation::{self, Simulation};
use forcekill_models::sim::campaign::{Campaign, Failed, Sum};
use forcekill_models::sim::designs::Simulated;
use forcekill_models::sim::draw::{Faults, Wish};
use forcekill_models::sim::failure::Failure;
use forcekill_models::sim::moments::MOMENTS;
use forcekill_models::sim::scenario::Scenario;
use forcekill_models::sim::shrink;
use forcekill_models::sim::watch::Bounded;
use forcekill_models::sim::{Keep, Outcome, story};
use forcekill_models::trace::{Broken, End, Line, Run, Step};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::{BadInput, Ending, cannot_write};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The first seed; everything in a run is drawn from its seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How many runs: the seeds from N on
    #[arg(long, value_name = "R", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// The most PHP threads that a runtime starts with
    #[arg(long, value_name = "T", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: u32,
    /// Virtual hours of load in each run, instead of one short life
    #[arg(long, value_name = "H", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    hours: Option<u32>,
    /// The design, or defect, whose steps are played
    #[arg(long, value_name = "DESIGN", default_value = "forcekill")]
    design: String,
    /// How much goes wrong: none, some, many
    #[arg(long, value_name = "LEVEL", default_value = "some")]
    faults: String,
    /// Play each run twice, and compare what they did
    #[arg(long)]
    twice: bool,
    /// Write every step of every run to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write the results to this file, for machines
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the results to this file as one page to read offline, with a drawing of the failure
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Play the Kth of N shares of the seeds
    #[arg(long, value_name = "K/N", value_parser = shard)]
    shard: Option<(u64, u64)>,
    /// Keep failures, in their shortest form, in this folder
    #[arg(long, value_name = "DIR", default_value = "target/simulate")]
    keep: PathBuf,
}

/// How long a failure is shrunk at the most.
const SHRINK_WITHIN: Duration = Duration::from_secs(30);

fn shard(text: &str) -> Result<(u64, u64), String> {
    let parts = text.split_once('/').and_then(|(nth, of)| Some((nth.parse().ok()?, of.parse().ok()?)));
    parts
        .filter(|&(nth, of)| (1..=of).contains(&nth))
        .ok_or_else(|| "a share is K/N, with K from 1 to N".to_string())
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending, BadInput> {
    let simulated: Simulated = arguments.design.parse()?;
    let faults: Faults = arguments.faults.parse()?;
    let wish = Wish { threads: arguments.threads, faults, hours: arguments.hours };
    let shard = arguments.shard.unwrap_or((1, 1));
    let campaign =
        Campaign { simulated, seed: arguments.seed, runs: arguments.runs, shard, wish, most_failures: 1 };
    let sinks = Sinks::open(arguments)?;
    let hours = arguments.hours.map_or(String::new(), |hours| format!(" --hours {hours}"));
    let command = format!(
        "simulate --design {simulated} --seed {} --runs {} --threads {} --faults {}{hours} --shard {}/{}",
        arguments.seed,
        arguments.runs,
        arguments.threads,
        faults.name(),
        shard.0,
        shard.1,
    );
    println!("{command}");

    let started = Instant::now();
    let (sum, differing) = play(&campaign, arguments, &sinks);
    let elapsed = started.elapsed();
    let failures: Vec<_> =
        sum.failed.iter().map(|failed| keep(simulated, failed, &arguments.keep)).collect::<Result<_, _>>()?;
    summarise(&sum, elapsed);
    let mut shortcomings: Vec<_> = failures.iter().map(Kept::shortcoming).collect();
    shortcomings.extend(differing.map(|seed| format!("two runs of the seed {seed} differ")));
    if is_default(arguments, simulated, faults) {
        let is_missing = |moment: &&&str| sum.reached.iter().all(|(name, _)| name != *moment);
        shortcomings
            .extend(MOMENTS.iter().filter(is_missing).map(|moment| format!("never reached: {moment}")));
    }
    sinks.write(arguments, &sum, elapsed, &failures)?;
    if let Some(path) = &arguments.html {
        let page = simulation::page(&Simulation {
            command: format!("forcekill {command}"),
            sum: &sum,
            seconds: elapsed.as_secs_f64(),
            shortcomings: &shortcomings,
            moments: if is_default(arguments, simulated, faults) { MOMENTS } else { &[] },
            failures: failures.iter().map(Kept::drawn).collect(),
        });
        std::fs::write(path, page).map_err(|error| cannot_write(path, &error))?;
    }
    for line in &shortcomings {
        println!("NOT AS CLAIMED: {line}");
    }
    if shortcomings.is_empty() {
        println!("All is as claimed. What a simulation does not cover: docs/SIMULATION.md");
    }
    Ok(if shortcomings.is_empty() { Ending::AsClaimed } else { Ending::ClaimFailed })
}

/// Whether so much is run that every moment must be reached.
fn is_default(arguments: &Arguments, simulated: Simulated, faults: Faults) -> bool {
    simulated.name == "forcekill"
        && faults == Faults::Some
        && arguments.hours.is_none()
        && arguments.shard.is_none()
        && arguments.runs >= 20_000
        && arguments.threads >= 4
}

/// Plays everything; answers also a seed of which two runs differ.
fn play(campaign: &Campaign, arguments: &Arguments, sinks: &Sinks) -> (Sum, Option<u64>) {
    let bar = progress_bar(campaign.share());
    let keep = Keep { steps: arguments.trace.is_some(), turns: false };
    // A trace is written in the order of the seeds.
    let cores =
        if keep.steps { 1 } else { std::thread::available_parallelism().map_or(1, std::num::NonZero::get) };
    let differing = Mutex::new(None);
    let sum = campaign.run(cores, keep, |scenario, outcome| {
        if arguments.twice && campaign.simulated.play(scenario, Keep::default()).hash != outcome.hash {
            *differing.lock().unwrap_or_else(PoisonError::into_inner) = Some(scenario.seed);
        }
        sinks.trace(campaign.simulated, scenario, outcome);
        bar.inc(1);
    });
    bar.finish_and_clear();
    (sum, differing.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// A failure that was shrunk and written.
struct Kept {
    seed: u64,
    failure: Failure,
    steps: usize,
    path: PathBuf,
    trace: Vec<Step>,
}

impl Kept {
    fn again(&self) -> String {
        format!("forcekill replay {}", self.path.display())
    }

    fn drawn(&self) -> simulation::Failure<'_> {
        simulation::Failure {
            design: &self.failure.design,
            seed: self.seed,
            property: &self.failure.property,
            what: &self.failure.what,
            again: self.again(),
            trace: &self.trace,
        }
    }

    fn shortcoming(&self) -> String {
        format!("{} breaks with the seed {}: {}", self.failure.property, self.seed, self.failure.what)
    }
}

/// Shrinks a failure, tells it, and writes it to a file.
fn keep(simulated: Simulated, failed: &Failed, folder: &Path) -> Result<Kept, BadInput> {
    let seed = failed.scenario.seed;
    println!("\nThe seed {seed} breaks {}, after {} runs.", failed.violation.property, failed.after_runs);
    let started = Instant::now();
    let shrunk = shrink::shrink(simulated, &failed.scenario, SHRINK_WITHIN);
    let outcome = simulated.play(&shrunk.scenario, Keep { steps: true, turns: false });
    let steps = story::of(&outcome.trace);
    println!(
        "Shrunk in {:.1} s to {} calls, faults and choices; in {} steps:\n{}",
        started.elapsed().as_secs_f64(),
        shrink::decisions(&shrunk.scenario),
        steps.len(),
        explain::draw(&steps, &shrunk.violation),
    );
    let violation = &shrunk.violation;
    let failure = Failure::new(simulated, violation.property, &violation.what, shrunk.scenario);
    let path = folder.join(format!("{simulated}-{}-{seed}.json", violation.property));
    std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    std::fs::write(&path, failure.text()).map_err(|error| cannot_write(&path, &error))?;
    let kept = Kept { seed, failure, steps: steps.len(), path, trace: outcome.trace };
    println!("Again: {}\n", kept.again());
    Ok(kept)
}

fn summarise(sum: &Sum, elapsed: Duration) {
    let (seconds, hours) = (elapsed.as_secs_f64(), hours(sum));
    println!(
        "{} runs, {hours:.1} virtual hours, {} steps in {seconds:.1} s: {:.0} runs and {:.1} virtual hours a second",
        sum.runs,
        sum.steps,
        sum.runs as f64 / seconds,
        hours / seconds,
    );
    for (what, longest) in Bounded::ALL.into_iter().zip(sum.longest) {
        println!("longest {:8} {:>6} ms of {:>6} ms", what.name(), ms(longest.took_ns), ms(longest.bound_ns));
    }
    let rows = sum.taken.iter().filter(|hits| **hits > 0).count();
    println!("{rows} of {} transitions taken; reached:", forcekill::state::TRANSITIONS.len());
    for (moment, hits) in &sum.reached {
        println!("{hits:>10}  {moment}");
    }
}

fn hours(sum: &Sum) -> f64 {
    sum.virtual_ns as f64 / 3.6e12
}

fn ms(ns: u64) -> u64 {
    ns / 1_000_000
}

/// The files that are written.
struct Sinks {
    trace: Option<Mutex<BufWriter<File>>>,
}

impl Sinks {
    /// Opens them first: what cannot be written is said before anything is run.
    fn open(arguments: &Arguments) -> Result<Self, BadInput> {
        for path in [&arguments.json, &arguments.html].into_iter().flatten() {
            let opened = std::fs::OpenOptions::new().append(true).create(true).open(path);
            opened.map_err(|error| cannot_write(path, &error))?;
        }
        let created = arguments
            .trace
            .as_ref()
            .map(|path| File::create(path).map_err(|error| cannot_write(path, &error)));
        Ok(Self { trace: created.transpose()?.map(|file| Mutex::new(BufWriter::new(file))) })
    }

    fn trace(&self, simulated: Simulated, scenario: &Scenario, outcome: &Outcome) {
        let Some(trace) = &self.trace else { return };
        let mut trace = trace.lock().unwrap_or_else(PoisonError::into_inner);
        let seed = scenario.seed;
        let mut line = |line: Line| {
            let text = serde_json::to_string(&line).expect("plain data");
            // What could not be written shows when the file is flushed.
            let _ = writeln!(trace, "{text}");
        };
        line(Line::Run(Run { design: simulated.name.to_string(), seed }));
        for step in &outcome.trace {
            line(Line::Step(step.clone()));
        }
        let broke = outcome.violation.as_ref().map(|violation| Broken {
            property: violation.property.id().to_string(),
            what: violation.what.clone(),
        });
        line(Line::End(End { seed, hash: format!("{:016x}", outcome.hash), broke }));
    }

    fn write(
        &self,
        arguments: &Arguments,
        sum: &Sum,
        elapsed: Duration,
        kept: &[Kept],
    ) -> Result<(), BadInput> {
        if let (Some(trace), Some(path)) = (&self.trace, &arguments.trace) {
            let flushed = trace.lock().unwrap_or_else(PoisonError::into_inner).flush();
            flushed.map_err(|error| cannot_write(path, &error))?;
        }
        let Some(path) = &arguments.json else { return Ok(()) };
        let document = Document::of(arguments, sum, elapsed, kept);
        let text = serde_json::to_string_pretty(&document).map_err(|error| error.to_string())?;
        std::fs::write(path, text).map_err(|error| cannot_write(path, &error))
    }
}

/// What machines read.
#[derive(Serialize)]
struct Document<'a> {
    design: &'a str,
    runs: u64,
    threads: u32,
    virtual_hours: f64,
    wall_seconds: f64,
    failures: Vec<FailureEntry<'a>>,
    longest_ms: Times,
    bound_ms: Times,
    reached: Vec<Reached>,
}

#[derive(Serialize)]
struct FailureEntry<'a> {
    seed: u64,
    property: &'a str,
    steps: usize,
    schedule: String,
}

#[derive(Serialize)]
struct Times {
    init: f64,
    restart: f64,
    drain: f64,
    shutdown: f64,
}

#[derive(Serialize)]
struct Reached {
    name: &'static str,
    hits: u64,
}

impl<'a> Document<'a> {
    fn of(arguments: &'a Arguments, sum: &Sum, elapsed: Duration, kept: &'a [Kept]) -> Self {
        let entry = |kept: &'a Kept| FailureEntry {
            seed: kept.seed,
            property: &kept.failure.property,
            steps: kept.steps,
            schedule: kept.path.display().to_string(),
        };
        let times = |of: fn(&forcekill_models::sim::watch::Longest) -> u64| {
            let [init, restart, drain, shutdown] = sum.longest.map(|longest| of(&longest) as f64 / 1e6);
            Times { init, restart, drain, shutdown }
        };
        let hits = |moment: &'static str| {
            let found = sum.reached.iter().find(|(name, _)| *name == moment);
            Reached { name: moment, hits: found.map_or(0, |(_, hits)| *hits) }
        };
        Self {
            design: &arguments.design,
            runs: sum.runs,
            threads: arguments.threads,
            virtual_hours: hours(sum),
            wall_seconds: elapsed.as_secs_f64(),
            failures: kept.iter().map(entry).collect(),
            longest_ms: times(|longest| longest.took_ns),
            bound_ms: times(|longest| longest.bound_ns),
            reached: MOMENTS.iter().map(|moment| hits(moment)).collect(),
        }
    }
}

fn progress_bar(runs: u64) -> ProgressBar {
    let target =
        if stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(runs), target);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {per_sec}, {elapsed}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
