//! The properties, by the ids that the contract fixes.

use std::fmt;
use std::str::FromStr;

macro_rules! properties {
    ($($name:ident $id:literal $statement:literal;)*) => {
        /// What must hold. The statement of each stands in [`Property::statement`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Property {
            $(#[doc = $statement] $name,)*
        }

        impl Property {
            /// Every property.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The id that commands and reports use.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// The property in one sentence.
            pub fn statement(self) -> &'static str {
                match self { $(Self::$name => $statement,)* }
            }
        }
    };
}

properties! {
    NoAccessAfterFree "no-access-after-free" "No kill stores to a thread's flags, and no VM reads them, after its storage is freed.";
    WakeHitsItsThread "wake-hits-its-thread" "A wake reaches only the OS thread that published the slot, never after its exit; each wake target is released exactly once.";
    KillHitsItsRun "kill-hits-its-run" "A kill ends only the script run it was armed for, never a later one on the same thread.";
    FlagsInOrder "flags-in-order" "A VM that sees vm_interrupt sees timed_out (weak memory included).";
    TeardownAlone "teardown-alone" "Process-wide teardown never runs while an OS thread is registered, or about to register, with the engine.";
    OneThreadPerIndex "one-thread-per-index" "At most one live OS thread an index; a stable state has a live OS thread behind it.";
    LegalTransitions "legal-transitions" "Every state change is in the declared table, made by one who knew the state it left.";
    NoWorkForLeavers "no-work-for-leavers" "No request goes to an Abandoned, ShuttingDown or Done thread; one that a leaver has taken is handed back.";
    RestartIsComplete "restart-is-complete" "restart returns Ok exactly if every serving worker booted after the call.";
    CapacityAddsUp "capacity-adds-up" "At rest, the workers' and the scaler's lists equal the live threads.";
    LatchHolds "latch-holds" "After a skipped teardown every later init returns TeardownSkipped at once.";
    MetricsAlive "metrics-alive" "A late callback indexes live metrics; they are freed only when nothing lingers.";
    NoLostKill "no-lost-kill" "An interruptible thread ends within a bounded number of sends, wherever the first signal lands.";
    Bounded "bounded" "Init, restart, drain and shutdown return within their configured bound.";
    NoDeadlock "no-deadlock" "No reachable state where nothing can run and a call has not returned.";
    RequestsSettle "requests-settle" "Every dispatched request completes or is rejected.";
    LateUnwindIsSafe "late-unwind-is-safe" "An abandoned thread that comes back exits, touches nothing freed, and is counted out once.";
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl FromStr for Property {
    type Err = String;

    fn from_str(id: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|property| property.id() == id);
        found.ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|property| property.id()).collect();
            format!("unknown property '{id}'; the properties are {}", known.join(", "))
        })
    }
}
