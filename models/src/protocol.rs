//! Whose steps a search plays: a design's, or a defect's.

use std::fmt;
use std::str::FromStr;

use crate::cases::{self, Defect};
use crate::designs::Design;
use crate::lifecycle_cases;
use crate::monitor_proof;
use crate::subject::AnyCase;

/// A design or a defect.
#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    /// One that stands in the table.
    Design(Design),
    /// One that must be refuted.
    Defect(&'static Defect),
}

impl Protocol {
    /// The races that it plays.
    pub fn cases(self) -> Vec<AnyCase> {
        match self {
            Self::Design(design) => {
                let slot = cases::of(design).iter().map(AnyCase::Slot);
                let lifecycles = lifecycle_cases::of(design).iter().map(AnyCase::Lifecycle);
                // The monitor is ours; the historic designs have Go's.
                let own = if design == Design::Forcekill { monitor_proof::scenarios() } else { &[] };
                let monitor = own.iter().map(|scenario| AnyCase::Monitor(scenario, None));
                slot.chain(lifecycles).chain(monitor).collect()
            }
            Self::Defect(defect) => defect.caught_by.iter().map(|caught| caught.case.as_any()).collect(),
        }
    }

    /// Whether it is the design that the project claims.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Design(Design::Forcekill))
    }

    /// The race of this name, if it plays it.
    pub fn case(self, model: &str) -> Option<AnyCase> {
        self.cases().into_iter().find(|case| case.model() == model)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Design(design) => design.fmt(f),
            Self::Defect(defect) => f.pad(defect.name),
        }
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let defect = cases::all_defects().iter().find(|defect| defect.name == name);
        defect.map(Self::Defect).ok_or(()).or_else(|()| {
            name.parse().map(Self::Design).map_err(|error: String| {
                let defects: Vec<_> = cases::all_defects().iter().map(|defect| defect.name).collect();
                format!("{error}; the defects are {}", defects.join(", "))
            })
        })
    }
}
