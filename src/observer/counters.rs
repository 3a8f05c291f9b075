//! The counters, made from the list of notices: whoever adds a notice has added its counter.

/// Declares `Counters` and `Counts` from the name of each counter and the notice that it counts.
macro_rules! counters {
    ($( $counter:ident: $kind:ident, )+) => {
        /// One counter for each kind of notice, and one for the observer's panics. They only grow.
        #[derive(Debug, Default)]
        pub struct Counters {
            $( $counter: AtomicU64, )+
            observer_panics: AtomicU64,
        }

        /// What was counted up to a moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counts {
            $(
                #[doc = concat!("How many times [`Notice::", stringify!($kind), "`] was told.")]
                pub $counter: u64,
            )+
            /// How many times the observer panicked.
            pub observer_panics: u64,
        }

        impl Counters {
            /// Counts a notice. May be called from any thread.
            pub fn count(&self, notice: &Notice) {
                let counter = match notice {
                    $( Notice::$kind { .. } => &self.$counter, )+
                };
                // Relaxed, here and below: a number for people, by which nobody finds out what else has happened.
                counter.fetch_add(1, Relaxed);
            }

            /// Counts a panic of the observer's. May be called from any thread.
            pub fn count_observer_panic(&self) {
                self.observer_panics.fetch_add(1, Relaxed);
            }

            /// Reads every counter, one after the other: what is counted meanwhile may be in some and not in others. May be
            /// called from any thread.
            pub fn snapshot(&self) -> Counts {
                Counts {
                    $( $counter: self.$counter.load(Relaxed), )+
                    observer_panics: self.observer_panics.load(Relaxed),
                }
            }
        }

        impl Counts {
            /// Every counter's name and value, for whoever exports them.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [
                    $( (stringify!($counter), self.$counter), )+
                    ("observer_panics", self.observer_panics),
                ]
                .into_iter()
            }

            /// How many notices there were in all.
            pub fn total(&self) -> u64 {
                0 $( + self.$counter )+
            }
        }

        impl Notice {
            /// The name of the counter that counts this kind.
            pub fn counter(&self) -> &'static str {
                match self {
                    $( Self::$kind { .. } => stringify!($counter), )+
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::super::notice::{Counters, examples};

    #[test]
    fn every_notice_has_a_counter_of_its_own() {
        let counters = Counters::default();
        for (notice, told) in examples().iter().zip(1..) {
            let before = counters.snapshot();
            counters.count(notice);
            let now = counters.snapshot();
            let grown: Vec<_> = before.iter().zip(now.iter()).filter(|(before, now)| before != now).collect();
            assert_eq!(grown, [((notice.counter(), 0), (notice.counter(), 1))], "{notice:?}");
            assert_eq!(now.total(), told);
        }
        // And no counter is without a notice: each was found at 0 above, and is at 1 now.
        let panics = ("observer_panics", 0);
        assert_eq!(counters.snapshot().iter().filter(|&(_, count)| count != 1).collect::<Vec<_>>(), [panics]);
    }

    #[test]
    fn panics_of_the_observer_are_no_notices() {
        let counters = Counters::default();
        counters.count_observer_panic();
        let counts = counters.snapshot();
        assert_eq!((counts.observer_panics, counts.total()), (1, 0));
    }
}
