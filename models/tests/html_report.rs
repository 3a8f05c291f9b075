//! The pages of `prove --html` and `simulate --html` in a real browser, made from small runs: two races of all designs and
//! their defects, and a design whose simulation fails.
//!
//! They load without an error and ask nothing of anybody; every link leads to something that is there and is seen when it is
//! followed; and on a narrow screen nothing but their boxes scrolls sideways, in either colour scheme. Where no browser is
//! installed the tests say so, and end. What they do not cover: other browsers, and whether the pages are beautiful.
#![cfg(unix)]

mod browser;

use std::fs;
use std::process::Command;

use browser::Browser;
use serde_json::{Value, json};

/// A page in a folder of its own.
struct Written {
    folder: tempfile::TempDir,
}

impl Written {
    /// What the program writes with these arguments, which must end with this status.
    fn by(arguments: &[&str], status: i32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_forcekill"))
            .args(arguments)
            .arg("--html")
            .arg(folder.path().join(PAGE))
            .current_dir(folder.path())
            .output()
            .expect("the program starts");
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stdout));
        Self { folder }
    }

    fn proofs() -> Self {
        let models = ["--model", "lost-wake-up", "--model", "two-restarts", "--size", "1"];
        Self::by(&[&["prove", "--summary"][..], &models].concat(), 0)
    }

    fn simulation() -> Self {
        Self::by(&["simulate", "--design", "pr-2365", "--runs", "2000"], 1)
    }

    fn text(&self) -> String {
        fs::read_to_string(self.folder.path().join(PAGE)).unwrap()
    }

    fn url(&self) -> String {
        format!("file://{}", self.folder.path().join(PAGE).display())
    }
}

const PAGE: &str = "page.html";

fn texts(value: &Value) -> Vec<String> {
    let texts = value.as_array().expect("a list").iter();
    texts.map(|text| text.as_str().expect("a text").to_string()).collect()
}

/// What stands in the page is what was searched: the drawings have steps, lines of source, and the property that broke.
#[test]
fn the_page_tells_what_was_found() {
    let proofs = [
        "refuted in lost-wake-up, 1 killer",
        "pr-2365 breaks no-lost-kill in lost-wake-up",
        "forcekill replay fk1:explore:",
        "<code>src/steps.rs:",
        "<code>models/src/races/",
        "state-Restarting",
        "All is as claimed.",
    ];
    let simulation =
        ["pr-2365 breaks", "with the seed", "forcekill replay target/simulate/pr-2365-", "Not as claimed:"];
    for (page, needles) in
        [(Written::proofs().text(), &proofs[..]), (Written::simulation().text(), &simulation[..])]
    {
        for needle in needles {
            assert!(page.contains(needle), "no '{needle}' in the page");
        }
        assert!(!page.contains("<script"), "the page needs no script");
    }
}

#[test]
fn the_page_of_the_proofs_works_in_a_browser() {
    let Some(mut browser) = Browser::open() else { return };
    let written = Written::proofs();
    works(&mut browser, &written.url(), |browser| {
        let cells =
            "[...document.querySelectorAll('#proofs tbody td')].filter(td => !td.querySelector('a')).length";
        assert_eq!(browser.evaluate(cells), json!(0), "each cell of the proofs is a link");
        let drawn = "[...document.querySelectorAll('#proofs a.refuted')].map(a => \
            document.querySelectorAll(a.getAttribute('href') + ' svg circle.step').length)";
        let steps = browser.evaluate(drawn);
        let steps: Vec<_> = steps.as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
        assert!(
            steps.len() >= 6 && steps.iter().all(|&steps| steps > 2),
            "refutations with steps: {steps:?}"
        );
    });
}

#[test]
fn the_page_of_a_simulation_works_in_a_browser() {
    let Some(mut browser) = Browser::open() else { return };
    let written = Written::simulation();
    works(&mut browser, &written.url(), |browser| {
        let steps = browser.evaluate("document.querySelectorAll('#counterexamples svg circle.step').length");
        assert!(steps.as_u64() > Some(2), "a failure with steps: {steps}");
        let taken = browser.evaluate("document.querySelectorAll('#states .edge:not(.missing)').length");
        assert!(taken.as_u64() > Some(5), "transitions that were taken: {taken}");
    });
}

/// Loads a page, looks at it, and then at what the browser has told meanwhile.
fn works(browser: &mut Browser, url: &str, look: impl FnOnce(&mut Browser)) {
    browser.ask("Page.navigate", json!({"url": url}));
    browser.wait_for("Page.loadEventFired");
    look(browser);
    links_lead_somewhere(browser);
    for (width, scheme) in [(360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")] {
        fits(browser, width, scheme);
    }
    let asked: Vec<_> =
        browser.told("Network.requestWillBeSent").map(|told| told["request"]["url"].clone()).collect();
    assert_eq!(asked, [json!(url)], "the page alone is asked for");
    assert_eq!(browser.told("Runtime.exceptionThrown").count(), 0);
    let said: Vec<_> =
        browser.told("Runtime.consoleAPICalled").chain(browser.told("Log.entryAdded")).collect();
    assert!(said.is_empty(), "nothing is said: {said:?}");
}

/// Every link has its end, and each end is seen when the link is followed, folded or not.
fn links_lead_somewhere(browser: &mut Browser) {
    // Each once: a browser refuses two hundred jumps in ten seconds.
    let links = "[...new Set([...document.querySelectorAll('a')].map(a => a.getAttribute('href')))]";
    let links = texts(&browser.evaluate(links));
    assert!(links.len() > 3, "{links:?}");
    for link in links {
        let id = link.strip_prefix('#').unwrap_or_else(|| panic!("{link} leads out of the page"));
        let follow = format!(
            "new Promise(done => {{
                document.querySelectorAll('details').forEach(details => details.open = false);
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
