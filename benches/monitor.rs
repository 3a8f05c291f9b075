//! The monitor in the forms that it could have. What the library uses was chosen by the table at the end, which measures all
//! of them in turns; criterion's figures show each by itself.

#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;

    use criterion::Criterion;
    use forcekill_benches::monitors::{FORMS, Situation, operations};
    use forcekill_benches::parity::{medians, pin_to_this_core};

    /// Criterion's part.
    pub fn measure(criterion: &mut Criterion) {
        for situation in Situation::ALL {
            let mut group = criterion.benchmark_group(situation.name());
            group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_millis(1_000));
            for (form, mut operation) in FORMS.into_iter().zip(operations(situation)) {
                group.bench_function(form, |bencher| bencher.iter(&mut operation));
            }
            group.finish();
        }
    }

    /// The tables: on all cores, and on one.
    pub fn compare_in_turns() {
        table("on all cores");
        // Threads that are started from now on are on this core too.
        pin_to_this_core();
        table("on one core");
    }

    fn table(title: &str) {
        print!("{title:<36}");
        FORMS.iter().for_each(|form| print!("{form:>23}"));
        println!();
        for situation in Situation::ALL {
            let (turns, batch) = match situation {
                Situation::NobodyWaits => (2_000, 500),
                Situation::OneWaitsForSomethingElse => (5_000, 100),
                Situation::ThereAndBack => (500, 100),
            };
            print!("{:<36}", situation.name());
            medians(turns, batch, &mut operations(situation))
                .iter()
                .for_each(|time| print!("{time:>20.1} ns"));
            println!();
        }
    }
}

#[cfg(target_os = "linux")]
fn main() {
    let mut criterion = criterion::Criterion::default().configure_from_args();
    linux::measure(&mut criterion);
    criterion.final_summary();
    // `cargo test --benches` calls without it, to see that the bench runs at all.
    if std::env::args().any(|argument| argument == "--bench") {
        linux::compare_in_turns();
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("one of the forms is written against Linux: nothing is measured here");
}
