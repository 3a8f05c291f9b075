//! The page of `prove --html` in a real browser, made from a small run: two races of all designs and their defects.
//!
//! It loads without an error and asks nothing of anybody; every link leads to something that is there and is seen when it is
//! followed; and on a narrow screen nothing but its boxes scrolls sideways, in either colour scheme. Where no browser is
//! installed the test says so, and ends. What it does not cover: other browsers, and whether the page is beautiful.
#![cfg(unix)]

mod browser;

use std::fs;
use std::process::Command;

use browser::Browser;
use serde_json::{Value, json};

/// A page of a small run, in a folder of its own.
fn report() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let models = ["--model", "lost-wake-up", "--model", "two-restarts", "--size", "1"];
    let output = Command::new(env!("CARGO_BIN_EXE_forcekill"))
        .args(["prove", "--summary", "--html", path.to_str().unwrap()])
        .args(models)
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    (folder, format!("file://{}", path.display()))
}

fn texts(value: &Value) -> Vec<String> {
    let texts = value.as_array().expect("a list").iter();
    texts.map(|text| text.as_str().expect("a text").to_string()).collect()
}

/// What stands in the page is what was searched: the drawings have steps, lines of source, and the property that broke.
#[test]
fn the_page_tells_what_was_found() {
    let (_folder, url) = report();
    let page = fs::read_to_string(url.trim_start_matches("file://")).unwrap();
    for needle in [
        "refuted in lost-wake-up, 1 killer",
        "pr-2365 breaks no-lost-kill in lost-wake-up",
        "forcekill replay fk1:explore:",
        "<code>src/steps.rs:",
        "<code>models/src/races/",
        "state-Restarting",
        "All is as claimed.",
    ] {
        assert!(page.contains(needle), "no '{needle}' in the page");
    }
    assert!(!page.contains("<script"), "the page needs no script");
}

#[test]
fn the_page_works_in_a_browser() {
    let Some(mut browser) = Browser::open() else { return };
    let (_folder, url) = report();
    browser.ask("Page.navigate", json!({"url": url}));
    browser.wait_for("Page.loadEventFired");

    links_lead_somewhere(&mut browser);
    for (width, scheme) in [(360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")] {
        fits(&mut browser, width, scheme);
    }

    let asked: Vec<_> =
        browser.told("Network.requestWillBeSent").map(|told| told["request"]["url"].clone()).collect();
    assert_eq!(asked, [json!(url)], "the page alone is asked for");
    assert_eq!(browser.told("Runtime.exceptionThrown").count(), 0);
    let said: Vec<_> =
        browser.told("Runtime.consoleAPICalled").chain(browser.told("Log.entryAdded")).collect();
    assert!(said.is_empty(), "nothing is said: {said:?}");
}

/// Every link has its end, and each end is seen when the link is followed, folded or not. Each cell of the proofs is a link.
fn links_lead_somewhere(browser: &mut Browser) {
    let links =
        texts(&browser.evaluate("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))"));
    assert!(links.len() > 20, "{links:?}");
    let cells =
        "[...document.querySelectorAll('#proofs tbody td')].filter(td => !td.querySelector('a')).length";
    assert_eq!(browser.evaluate(cells), json!(0));
    let drawn = "[...document.querySelectorAll('#proofs a.refuted')].every(a => \
        document.querySelector(a.getAttribute('href') + ' svg circle.step'))";
    assert_eq!(browser.evaluate(drawn), json!(true), "a refutation leads to a drawing with steps");
    let refuted = browser.evaluate("document.querySelectorAll('#proofs a.refuted').length");
    assert!(refuted.as_u64() >= Some(6), "{refuted}");
    for link in links {
        let id = link.strip_prefix('#').unwrap_or_else(|| panic!("{link} leads out of the page"));
        let follow = format!(
            "new Promise(done => {{
                document.querySelectorAll('details').forEach(details => details.open = false);
                location.hash = '';
                location.hash = '{id}';
                requestAnimationFrame(() => requestAnimationFrame(() => {{
                    const end = document.getElementById('{id}');
                    done(end !== null && end.checkVisibility() && end.getBoundingClientRect().height > 0);
                }}));
            }})"
        );
        assert_eq!(browser.evaluate(&follow), json!(true), "{link} leads to nothing that is seen");
    }
    let twice = "[...document.querySelectorAll('[id]')].length - new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size";
    assert_eq!(browser.evaluate(twice), json!(0), "an id is there twice");
}

/// With everything unfolded, in this width and these colours: only the boxes scroll, and what is written can be read.
fn fits(browser: &mut Browser, width: u32, scheme: &str) {
    let metrics = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500});
    browser.ask("Emulation.setDeviceMetricsOverride", metrics);
    let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
    browser.ask("Emulation.setEmulatedMedia", features);
    browser.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)");
    let [page, window] = ["document.scrollingElement.scrollWidth", "window.innerWidth"]
        .map(|of| browser.evaluate(of).as_f64().expect("a number"));
    assert!(page <= window && window <= f64::from(width), "{page} px of {window} at {width} px, {scheme}");
    let unread = texts(&browser.evaluate(CONTRAST));
    assert!(unread.is_empty(), "too little contrast, {scheme}: {unread:?}");
    let rows = browser.evaluate(
        "[...document.querySelectorAll('.steps')].every(steps => { \
            const rows = [...steps.querySelectorAll('tbody tr')]; \
            return Math.abs(steps.querySelector('td.lanes svg').getBoundingClientRect().height \
                - rows.reduce((sum, row) => sum + row.getBoundingClientRect().height, 0)) < 1; })",
    );
    assert_eq!(rows, json!(true), "the drawing stands beside its lines at {width} px");
    let dark = browser.evaluate("getComputedStyle(document.body).backgroundColor");
    assert_eq!(dark == json!("rgb(255, 255, 255)"), scheme == "light", "{dark} when {scheme}");
}

/// The classes of words whose contrast with what is behind them is less than 4.5 to 1 (the threshold of WCAG 2, AA).
const CONTRAST: &str = r"(() => {
    const parts = colour => colour.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(part => part / 255)
        .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
    const behind = element => {
        for (let up = element; up; up = up.parentElement) {
            const colour = parts(getComputedStyle(up).backgroundColor);
            if (colour.length < 4 || colour[3] > 0) return colour;
        }
        return [255, 255, 255];
    };
    const found = new Set();
    for (const element of document.querySelectorAll('body *')) {
        const words = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim() !== '');
        if (!words || element.closest('title, style')) continue;
        const style = getComputedStyle(element);
        const own = light(parts(element.closest('svg') ? style.fill : style.color));
        const back = light(behind(element));
        const contrast = (Math.max(own, back) + 0.05) / (Math.min(own, back) + 0.05);
        if (contrast < 4.5) found.add(`${element.tagName}.${element.getAttribute('class')} ${contrast.toFixed(2)}`);
    }
    return [...found];
})()";
