//! The kill path with criterion, the library's beside the one by hand, and one table of the two at the end.
//!
//! Claim: the generic code on the real platform costs nothing over the same code by hand. The table measures the two in
//! turns and is the number to believe; criterion's figures, one after the other, show each by itself and over time.

#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;

    use criterion::Criterion;
    use forcekill_benches::pairs::{Pair, Parked};
    use forcekill_benches::parity::{Comparison, compare, compare_until, pin_to_this_core};

    /// Criterion's part.
    pub fn measure(criterion: &mut Criterion) {
        let pair = Pair::flags_only();
        side_by_side(criterion, "attempt/flags only", || pair.attempt(), || pair.attempt_by_hand());
        side_by_side(criterion, "begin_run + end_run", || pair.run(), || pair.run_by_hand());
        // Published anew: the runs of the pair above would not be theirs any more.
        let pair = Pair::flags_only();
        side_by_side(
            criterion,
            "publish + clear/flags only",
            || pair.publish_and_clear(),
            || pair.publish_and_clear_by_hand(),
        );
        let pair = Pair::with_signals();
        side_by_side(
            criterion,
            "publish + clear/with a signal",
            || pair.publish_and_clear(),
            || pair.publish_and_clear_by_hand(),
        );
        side_by_side(criterion, "consume_interrupt", || pair.consume(), || pair.consume_by_hand());
        let parked = Parked::thread();
        side_by_side(criterion, "attempt/with a signal", || parked.attempt(), || parked.attempt_by_hand());
    }

    fn side_by_side<A, B>(
        criterion: &mut Criterion,
        name: &str,
        mut generic: impl FnMut() -> A,
        mut by_hand: impl FnMut() -> B,
    ) {
        let mut group = criterion.benchmark_group(name);
        group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_millis(1_500));
        group.bench_function("generic", |bencher| bencher.iter(&mut generic));
        group.bench_function("by hand", |bencher| bencher.iter(&mut by_hand));
        group.finish();
    }

    /// The table. `false` if the generic code is slower where it must not be.
    pub fn compare_in_turns() -> bool {
        pin_to_this_core();
        println!("{:<32} {:>13} {:>13} {:>7}", "", "generic", "by hand", "ratio");
        let pair = Pair::flags_only();
        let attempt = row("attempt, flags only", 500, || pair.attempt(), || pair.attempt_by_hand());
        row("begin_run + end_run", 200, || pair.run(), || pair.run_by_hand());
        let pair = Pair::flags_only();
        let (publish, by_hand) = (|| pair.publish_and_clear(), || pair.publish_and_clear_by_hand());
        row("publish + clear, flags only", 200, publish, by_hand);
        let pair = Pair::with_signals();
        let (publish, by_hand) = (|| pair.publish_and_clear(), || pair.publish_and_clear_by_hand());
        row("publish + clear, with a signal", 10, publish, by_hand);
        row("consume_interrupt", 5_000, || pair.consume(), || pair.consume_by_hand());
        let parked = Parked::thread();
        row("attempt, with a signal", 10, || parked.attempt(), || parked.attempt_by_hand());
        let fine = attempt.ratio() <= LIMIT;
        if !fine {
            println!("the generic attempt takes more than {LIMIT} times as long as the one by hand");
        }
        fine
    }

    /// Beyond this the generic code costs something.
    const LIMIT: f64 = 1.15;

    fn row<A, B>(
        name: &str,
        batch: u32,
        mut generic: impl FnMut() -> A,
        mut by_hand: impl FnMut() -> B,
    ) -> Comparison {
        let comparison = compare_until(LIMIT, 5, || compare(batch, &mut generic, &mut by_hand));
        println!("{name:<32} {comparison}");
        comparison
    }
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let mut criterion = criterion::Criterion::default().configure_from_args();
    linux::measure(&mut criterion);
    criterion.final_summary();
    // `cargo test --benches` calls without it, to see that the bench runs at all.
    let fine = !std::env::args().any(|argument| argument == "--bench") || linux::compare_in_turns();
    if fine { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the code by hand is written against Linux: nothing is measured here");
}
