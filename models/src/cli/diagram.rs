//! `forcekill diagram`

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use forcekill_models::decisions::page as decisions;
use forcekill_models::diagram::{self, page};

use super::{BadInput, Ending, cannot_write};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The language of the diagram
    #[arg(long, value_enum, default_value = "mermaid")]
    format: Format,
    /// Write the diagram to this file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Rewrite the generated parts of this page (docs/STATES.md or docs/DESIGNS.md) instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "output"])]
    page: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For Markdown on GitHub
    Mermaid,
    /// For Graphviz
    Dot,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending, BadInput> {
    if let Some(path) = &arguments.page {
        return rewrite(path);
    }
    let text = diagram::draw(match arguments.format {
        Format::Mermaid => diagram::Format::Mermaid,
        Format::Dot => diagram::Format::Dot,
    });
    match &arguments.output {
        Some(path) => fs::write(path, text).map_err(|error| cannot_write(path, &error))?,
        None => print!("{text}"),
    }
    Ok(Ending::AsClaimed)
}

fn rewrite(path: &Path) -> Result<Ending, BadInput> {
    let cannot = |why: String| BadInput(format!("cannot rewrite {}: {why}", path.display()));
    let page = fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
    let regenerated = match page.contains(decisions::MARKER) {
        true => decisions::regenerate(&page),
        false => page::regenerate(&page),
    };
    let regenerated = regenerated.map_err(cannot)?;
    fs::write(path, regenerated).map_err(|error| cannot_write(path, &error))?;
    Ok(Ending::AsClaimed)
}
