//! The document.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::data::{Fact, Page};
use crate::{diagram, states, tables};

/// No request to anywhere, no script, whatever stands in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
const STYLE: &str = concat!(include_str!("style.css"), include_str!("charts.css"));

/// The page as one document.
pub fn render(page: &Page) -> String {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (page.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#content" { "To the content" }
                (header(page))
                main id="content" {
                    (verdict(page))
                    @if let Some(proofs) = &page.proofs { (tables::proofs(proofs)) }
                    (diagram::section("counterexamples", "Counterexamples", true, &page.counterexamples))
                    @if let Some(coverage) = &page.coverage { (states::section(coverage)) }
                    @if !page.defects.is_empty() { (tables::defects(&page.defects)) }
                    (diagram::section("broken", "What refutes the defects", false, &page.defect_diagrams))
                    @if !page.reached.is_empty() { (tables::reached(&page.reached)) }
                    @if let Some(proofs) = &page.proofs { (tables::searches(proofs)) }
                }
            }
        }
    };
    document.into_string()
}

fn header(page: &Page) -> Markup {
    let sections = [
        ("proofs", "Proofs", page.proofs.is_some()),
        ("counterexamples", "Counterexamples", !page.counterexamples.is_empty()),
        ("states", "States", page.coverage.is_some()),
        ("defects", "Defects", !page.defects.is_empty()),
        ("reached", "Reached", !page.reached.is_empty()),
        ("searches", "Searches", page.proofs.is_some()),
    ];
    html! {
        header {
            h1 { (page.title) }
            p.command { code { (page.command) } }
            nav aria-label="Sections" {
                ul { @for (id, name, is_there) in sections { @if is_there { li { a href={ "#" (id) } { (name) } } } } }
            }
            fieldset.theme {
                legend { "Colours" }
                @for (id, name, is_first) in [("auto", "as the system", true), ("light", "light", false), ("dark", "dark", false)] {
                    label { input type="radio" name="theme" id={ "theme-" (id) } checked[is_first]; (name) }
                }
            }
        }
    }
}

fn verdict(page: &Page) -> Markup {
    html! {
        section aria-label="Verdict" {
            @if page.shortcomings.is_empty() {
                p.verdict.good { "All is as claimed." }
            } @else {
                p.verdict.bad { "Not as claimed:" }
                ul.shortcomings { @for line in &page.shortcomings { li { (line) } } }
            }
            dl.facts { @for Fact { name, value } in &page.facts { div { dt { (name) } dd { (value) } } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Cell, Proofs, PropertyRow, Verdict};
    use crate::{ArrowKind, Sketch};

    fn page() -> Page {
        let mut sketch = Sketch::default();
        sketch
            .step("php-1", "is <b>Ready</b>", None, Some("src/thread.rs:1".to_string()))
            .enters("php-1", "Ready");
        sketch.step("restart", "sends a wake", None, None).reaches(ArrowKind::Wake, "php-1");
        let mut diagram = sketch.finish();
        diagram.id = "pr-2365-bounded".to_string();
        let cell = |verdict, diagram: Option<&str>| Cell {
            verdict,
            text: "a verdict".to_string(),
            diagram: diagram.map(str::to_string),
        };
        let row = PropertyRow {
            property: "bounded".to_string(),
            statement: "It returns.".to_string(),
            cells: vec![cell(Verdict::Proved, None), cell(Verdict::Refuted, Some("pr-2365-bounded"))],
            searches: Vec::new(),
        };
        let designs = vec!["forcekill".to_string(), "pr-2365".to_string()];
        let proofs = Proofs { designs, rows: vec![row], legend: String::new() };
        Page { proofs: Some(proofs), counterexamples: vec![diagram], ..Page::default() }
    }

    /// The parts of a text that stand between these two.
    fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
        text.split(start).skip(1).filter_map(|rest| rest.split(end).next()).collect()
    }

    #[test]
    fn every_link_has_its_end() {
        let page = render(&page());
        let (links, ids) = (between(&page, "href=\"#", "\""), between(&page, "id=\"", "\""));
        assert!(links.contains(&"pr-2365-bounded") && links.contains(&"searches-bounded"), "{links:?}");
        assert!(links.iter().all(|link| ids.contains(link)), "{links:?} and {ids:?}");
    }

    #[test]
    fn what_the_page_is_told_stays_text() {
        let page = render(&page());
        assert!(page.contains("is &lt;b&gt;Ready") && !page.contains("<b>"));
    }

    #[test]
    fn a_page_is_as_claimed_unless_it_has_shortcomings() {
        assert!(render(&page()).contains("All is as claimed."));
        let short = render(&Page { shortcomings: vec!["something".to_string()], ..page() });
        assert!(!short.contains("All is as claimed.") && short.contains("<li>something</li>"));
    }

    /// Nothing but places in the page itself: no address of anything stands in it.
    #[test]
    fn the_page_names_nothing_outside_it() {
        let page = render(&page());
        for outside in ["src=", "url(", "@import", "http:", "https:", "<script", "<link"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
