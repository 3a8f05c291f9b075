//! The tables: proofs, searches, defects, moments.

use maud::{Markup, html};

use crate::data::{Cell, Defect, Moment, Proofs, PropertyRow, Verdict};

/// Properties by designs. Every cell leads to its diagram, or to its searches.
pub(crate) fn proofs(proofs: &Proofs) -> Markup {
    html! {
        section id="proofs" {
            h2 { "Proofs" }
            div.scroll role="region" aria-label="Properties by designs" tabindex="0" {
                table.proofs {
                    thead { tr { th scope="col" { "property" } @for design in &proofs.designs { th scope="col" { (design) } } } }
                    tbody { @for row in &proofs.rows {
                        tr {
                            th scope="row" { code { (row.property) } span.statement { (row.statement) } }
                            @for cell in &row.cells { td { (sum(row, cell)) } }
                        }
                    } }
                }
            }
            p.legend { (proofs.legend) }
        }
    }
}

fn sum(row: &PropertyRow, cell: &Cell) -> Markup {
    let to = cell.diagram.clone().unwrap_or_else(|| searches_id(&row.property));
    html! { a.cell.(class(cell.verdict)) href={ "#" (to) } { (cell.text) } }
}

fn searches_id(property: &str) -> String {
    format!("searches-{property}")
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Proved => "proved",
        Verdict::Held => "held",
        Verdict::Refuted => "refuted",
        Verdict::Empty => "empty",
    }
}

/// Every search of every property.
pub(crate) fn searches(proofs: &Proofs) -> Markup {
    html! {
        section id="searches" {
            h2 { "Searches" }
            @for row in &proofs.rows {
                details {
                    summary { h3 { code { (row.property) } } span.count { (counted(row.searches.len(), "search")) } }
                    div.target id=(searches_id(&row.property)) {
                        p { (row.statement) }
                        @if row.searches.is_empty() { p { "No search settles it." } } @else { (searches_of(proofs, row)) }
                    }
                }
            }
        }
    }
}

fn searches_of(proofs: &Proofs, row: &PropertyRow) -> Markup {
    html! {
        div.scroll role="region" aria-label={ "Searches of " (row.property) } tabindex="0" {
            table {
                thead { tr {
                    @for head in ["race", "size", "engine"] { th scope="col" { (head) } }
                    @for design in &proofs.designs { th scope="col" { (design) } }
                } }
                tbody { @for search in &row.searches { tr {
                    th scope="row" { code { (search.model) } }
                    td { (search.size) }
                    td { (search.engine) }
                    @for cell in &search.cells { td.(class(cell.verdict)) {
                        @match &cell.diagram {
                            Some(id) => a href={ "#" (id) } { (cell.text) },
                            None => (cell.text),
                        }
                    } }
                } } }
            }
        }
    }
}

/// `3 searches`, `1 search`.
pub(crate) fn counted(number: usize, what: &str) -> String {
    let plural = match what {
        "search" => "searches",
        "moment" => "moments",
        "step" => "steps",
        _ => what,
    };
    format!("{number} {}", if number == 1 { what } else { plural })
}

/// The broken steps, and who has refuted each.
pub(crate) fn defects(defects: &[Defect]) -> Markup {
    html! {
        section id="defects" {
            h2 { "Defects" }
            p { "Steps that are broken on purpose. A claim that lets one of them pass would prove nothing." }
            details {
                summary { h3 { "The broken steps, and who catches them" } span.count { (defects.len()) } }
                div.scroll role="region" aria-label="Defects" tabindex="0" {
                    table {
                        thead { tr { @for head in ["defect", "breaks", "race", "size", "caught by (execution)"] { th scope="col" { (head) } } } }
                        tbody { @for defect in defects { (defect_row(defect)) } }
                    }
                }
            }
        }
    }
}

fn defect_row(defect: &Defect) -> Markup {
    html! { tr {
        th scope="row" { @match &defect.diagram {
            Some(id) => a href={ "#" (id) } { code { (defect.name) } },
            None => code { (defect.name) },
        } }
        td { code { (defect.property) } }
        td { code { (defect.model) } }
        td { (defect.size) }
        td {
            (defect.caught_by.join(", "))
            @if !defect.missed_by.is_empty() { strong.refuted { " not by " (defect.missed_by.join(", ")) } }
        }
    } }
}

/// The moments that a run must have visited, by race.
pub(crate) fn reached(moments: &[Moment]) -> Markup {
    let groups: Vec<_> = moments.chunk_by(|a, b| a.model == b.model).collect();
    let is_reached = |moment: &&Moment| moment.hits.iter().all(|(_, hits)| *hits > 0);
    html! {
        section id="reached" {
            h2 { "Reached" }
            p { "The moments that a run must have visited, or it has not seen what it is for." }
            @for group in groups {
                @let missed = group.len() - group.iter().filter(is_reached).count();
                details open[missed > 0] {
                    summary {
                        h3 { code { (group[0].model) } }
                        span.count {
                            (counted(group.len(), "moment"))
                            @if missed > 0 { strong.refuted { ", " (missed) " never reached" } }
                        }
                    }
                    div.scroll role="region" aria-label={ "Moments of " (group[0].model) } tabindex="0" {
                        table {
                            thead { tr { th scope="col" { "moment" } th scope="col" { "hits" } } }
                            tbody { @for moment in group { tr {
                                th.words scope="row" { (moment.name) }
                                td { @for (engine, hits) in &moment.hits {
                                    span.hits.refuted[*hits == 0] { (engine) " " (thousands(*hits)) }
                                } }
                            } } }
                        }
                    }
                }
            }
        }
    }
}

/// A number with commas.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}
