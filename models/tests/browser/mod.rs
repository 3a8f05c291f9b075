//! A real browser, driven over the DevTools protocol through a pair of pipes (`--remote-debugging-pipe`): JSON values with a
//! zero byte after each. That takes no crate but the one that reads JSON; those that speak the protocol over a socket bring
//! sixty and more, and minutes of building.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// How to get one.
const MISSING: &str = "no browser is there: the pages were not looked at. To get one: apt-get install \
    --no-install-recommends chromium";
/// Every one of them speaks the protocol.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// Nothing is asked of anybody, whatever the page is.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
];

/// A browser with one page.
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    last_id: u64,
    session: Option<String>,
    /// What the page has told so far that nobody has asked for.
    pub events: Vec<Value>,
    _profile: tempfile::TempDir,
}

/// The browser to use: the one that `FORCEKILL_BROWSER` names, which must be there then, or the first that is.
fn found() -> Option<PathBuf> {
    let paths = env::var_os("PATH").unwrap_or_default();
    let find = |name: &str| env::split_paths(&paths).map(|path| path.join(name)).find(|path| path.is_file());
    match env::var("FORCEKILL_BROWSER") {
        Ok(name) => Some(find(&name).unwrap_or_else(|| panic!("FORCEKILL_BROWSER is {name}, and {MISSING}"))),
        Err(_) => NAMES.into_iter().find_map(find),
    }
}

impl Browser {
    /// A fresh browser with an empty page; `None`, and a line that says so, where there is no browser.
    pub fn open() -> Option<Self> {
        let Some(program) = found() else {
            eprintln!("{MISSING}");
            return None;
        };
        let profile = tempfile::tempdir().expect("a folder for the profile");
        // The protocol is spoken on the descriptors 3 and 4.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#, "sh"])
            .arg(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let commands = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut browser = Self {
            child,
            commands,
            answers,
            last_id: 0,
            session: None,
            events: Vec::new(),
            _profile: profile,
        };
        let page = browser.ask("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        let attached = browser.ask("Target.attachToTarget", attach);
        browser.session = Some(attached["sessionId"].as_str().expect("a session").to_string());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Sends a command, and waits for its answer.
    pub fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.last_id += 1;
        let mut command = json!({"id": self.last_id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).expect("the browser listens");
        loop {
            let message = self.read();
            if message["id"] == json!(self.last_id) {
                assert!(message.get("error").is_none(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    /// Waits until the page has told this.
    pub fn wait_for(&mut self, event: &str) {
        while !self.events.iter().any(|seen| seen["method"] == event) {
            let message = self.read();
            self.events.push(message);
        }
    }

    fn read(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.answers.read_until(0, &mut bytes).expect("the browser answers");
        assert_eq!(bytes.pop(), Some(0), "the browser has ended");
        serde_json::from_slice(&bytes).expect("the browser speaks JSON")
    }

    /// What an expression of the page's comes to.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask("Runtime.evaluate", parameters);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// What the page has told of this kind.
    pub fn told<'a>(&'a self, event: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |seen| seen["method"] == event).map(|seen| &seen["params"])
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its helpers end with it, and let the profile go.
        let _ = self.commands.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let mut rest = Vec::new();
        while matches!(self.answers.read_until(0, &mut rest), Ok(1..)) {
            rest.clear();
        }
        let _ = self.child.wait();
    }
}
