//! `forcekill prove`

use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use forcekill_models::designs::Design;
use forcekill_models::protocol::Protocol;
use forcekill_models::prove::{self, Options, Report};
use forcekill_models::report::html::{self, Run};
use forcekill_models::report::{json::Document, proofs, table};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{BadInput, Ending, cannot_write, parse_all};

/// Where there is no bar, a search that takes so long gets a line when it has ended.
const WORTH_A_LINE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// This design alone (repeatable)
    #[arg(long, value_name = "DESIGN")]
    design: Vec<String>,
    /// This property alone (repeatable)
    #[arg(long, value_name = "PROPERTY")]
    property: Vec<String>,
    /// This model alone (repeatable)
    #[arg(long, value_name = "MODEL")]
    model: Vec<String>,
    /// This number of killers or PHP threads alone (repeatable)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=3))]
    size: Vec<u8>,
    /// Raise the bounds: takes hours
    #[arg(long)]
    deep: bool,
    /// Write the results to this file as JSON
    #[arg(long, value_name = "FILE", env = "FORCEKILL_JSON")]
    json: Option<PathBuf>,
    /// Write the results to this file as one page to read offline, with a drawing of every counterexample
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Rewrite the generated parts of this page (docs/PROOFS.md): what was proved, within which bounds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["design", "property", "model", "size", "deep"])]
    page: Option<PathBuf>,
    /// Print the summary alone
    #[arg(long)]
    summary: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending, BadInput> {
    let options = arguments.options()?;
    let tasks = prove::tasks(&options);
    if tasks.is_empty() {
        return Err(BadInput(
            "no model settles this property for this design; leave one of the two out".into(),
        ));
    }
    // Before hours of searching, and not after: a file that cannot be written is bad input.
    for path in [&arguments.json, &arguments.html].into_iter().flatten() {
        is_writable(path)?;
    }
    if let Some(path) = &arguments.page {
        rewrite(path, &Report::default(), |path, _| is_writable(path))?;
    }
    let started = Instant::now();
    let bar = progress_bar(tasks.len(), &options);
    let report = prove::run(&tasks, |task, took| {
        let engine = task.engine.name();
        let (protocol, model) = (task.protocol, task.case.model());
        let name = format!("{protocol} {model} {} ({engine})", task.case.size_name(task.size));
        bar.inc(1);
        if bar.is_hidden() && took >= WORTH_A_LINE {
            let (done, all, so_far) = (bar.position(), tasks.len(), started.elapsed().as_secs());
            eprintln!("{done}/{all} searches, {so_far} s: {name} took {} s", took.as_secs());
        }
        bar.set_message(name);
    });
    bar.finish_and_clear();
    let elapsed = started.elapsed();
    print(arguments.summary, &options, &report, elapsed);
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&Document::of(&report)).map_err(|error| error.to_string())?;
        write(path, &text)?;
    }
    if let Some(path) = &arguments.page {
        rewrite(path, &report, write)?;
    }
    let shortcomings = shortcomings(&options, &report);
    if let Some(path) = &arguments.html {
        let run = Run {
            command: arguments.command(),
            designs: options.asked_designs(),
            properties: options.asked_properties(),
            seconds: elapsed.as_secs_f64(),
            shortcomings: shortcomings.clone(),
        };
        write(path, &html::page(&report, &run)?)?;
    }
    print_verdict(&shortcomings);
    Ok(if shortcomings.is_empty() { Ending::AsClaimed } else { Ending::ClaimFailed })
}

impl Arguments {
    /// The command that makes the same searches.
    fn command(&self) -> String {
        let named = |option: &'static str, values: &[String]| {
            values.iter().map(|value| format!(" --{option} {value}")).collect::<String>()
        };
        let sizes: Vec<_> = self.size.iter().map(u8::to_string).collect();
        let chosen = [
            ("design", &self.design),
            ("property", &self.property),
            ("model", &self.model),
            ("size", &sizes),
        ];
        let chosen = chosen.map(|(option, values)| named(option, values)).concat();
        format!("forcekill prove{chosen}{}", if self.deep { " --deep" } else { "" })
    }

    fn options(&self) -> Result<Options, BadInput> {
        let known: Vec<_> =
            Protocol::Design(Design::Forcekill).cases().into_iter().map(|case| case.model()).collect();
        if let Some(unknown) = self.model.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(BadInput(format!("unknown model '{unknown}'; the models are {}", known.join(", "))));
        }
        Ok(Options {
            designs: parse_all(&self.design)?,
            properties: parse_all(&self.property)?,
            models: self.model.clone(),
            sizes: self.size.iter().copied().map(usize::from).collect(),
            deep: self.deep,
        })
    }
}

/// What is not as claimed. That a property is not settled is for a whole run to say, and so is what the page should have; the
/// page has the usual bounds.
fn shortcomings(options: &Options, report: &Report) -> Vec<String> {
    let mut lines = report.shortcomings();
    if options.is_whole() {
        lines.extend(report.gaps());
    }
    if options.is_whole() && !options.deep {
        let here = std::env::current_dir().ok();
        let root = here.as_deref().and_then(proofs::workspace_of);
        lines.extend(root.and_then(|root| proofs::difference(root, report)));
    }
    lines
}

/// Puts what was found on a page, which `write` then writes.
fn rewrite(
    path: &Path,
    report: &Report,
    write: impl Fn(&Path, &str) -> Result<(), BadInput>,
) -> Result<(), BadInput> {
    let cannot = |why: String| BadInput(format!("cannot rewrite {}: {why}", path.display()));
    let page = std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
    write(path, &proofs::regenerate(&page, report).map_err(cannot)?)
}

fn print(summary_alone: bool, options: &Options, report: &Report, elapsed: Duration) {
    if !summary_alone {
        println!("{}\n", table::details(report));
        println!(
            "proved ∞: searched in full; ≤2: in full up to 2 preemptions; held: not in full. Then the executions.\n"
        );
        if !report.defects.is_empty() {
            println!("{}\n", table::defects(report));
        }
    }
    let hit = report.reached.values().filter(|hits| **hits > 0).count();
    if report.covers_table() {
        let missing = report.missing_transitions().len();
        println!("{} of {} transitions taken", report.taken.len() - missing, report.taken.len());
    }
    println!(
        "{} searches, {} executions in {:.0} s; {hit} of {} moments reached; {} defects\n",
        report.searches,
        table::thousands(report.executions),
        elapsed.as_secs_f64(),
        report.reached.len(),
        report.defects.len(),
    );
    let (designs, properties) = (options.asked_designs(), options.asked_properties());
    println!("{}\n{}\n", table::summary(report, &designs, &properties), table::LEGEND);
    let refutations = table::refutations(report, &designs, &properties);
    if !refutations.is_empty() {
        println!("Each refuted property of the other designs again, step by step:\n{refutations}");
    }
}

fn print_verdict(shortcomings: &[String]) {
    for line in shortcomings {
        println!("NOT AS CLAIMED: {line}");
    }
    if shortcomings.is_empty() {
        println!("All is as claimed. What these searches do not cover: docs/MODELS.md");
    }
}

fn progress_bar(searches: usize, options: &Options) -> ProgressBar {
    let target =
        if stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(searches as u64), target);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} searches, {elapsed}, last: {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    if !stderr().is_terminal() {
        let how_long = match (options.deep, options.is_whole()) {
            (true, _) => "; this takes hours",
            (false, true) => "; this takes about eight minutes on two cores",
            (false, false) => "",
        };
        eprintln!("{searches} searches{how_long}");
    }
    bar
}

/// Opens it to append: what an earlier run has written stays until there is something to put in its place.
fn is_writable(path: &Path) -> Result<(), BadInput> {
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(path);
    opened.map(|_| ()).map_err(|error| cannot_write(path, &error))
}

fn write(path: &Path, text: &str) -> Result<(), BadInput> {
    std::fs::write(path, text).map_err(|error| cannot_write(path, &error))
}
