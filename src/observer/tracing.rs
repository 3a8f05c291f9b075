//! Notices as events of the `tracing` crate.

use ::tracing::{debug, error, info, warn};

use super::{Notice, Observer};

/// Makes an event of each notice, with the target `forcekill` and a field for each of the notice's.
///
/// The level says what it asks of people:
///
/// | level | notices |
/// |---|---|
/// | error | something serves no more until somebody acts: a failed init, a worker's thread given up, a teardown skipped |
/// | warn | something went wrong, and the runtime has dealt with it: kills, abandoned and busy threads, failed boots and spawns |
/// | info | what an operator did, or what changes how much can be served |
/// | debug | single threads and requests on their usual way, and every send of a kill |
///
/// The rules of [`Observer`] hold for the subscriber, which is called on the same thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TracingObserver;

const TARGET: &str = "forcekill";

impl Observer for TracingObserver {
    fn notice(&self, notice: &Notice) {
        use Notice as N;
        match notice {
            N::Initialised { threads } => info!(target: TARGET, threads, "started"),
            N::InitFailed { ready, threads } => error!(target: TARGET, ready, threads, "start failed"),
            N::Booted { thread, worker } => {
                debug!(target: TARGET, thread, worker = worker.as_deref(), "booted");
            }
            N::BootFailed { thread, worker, consecutive } => {
                warn!(target: TARGET, thread, worker = worker.as_deref(), consecutive, "boot failed");
            }
            N::GaveUpBooting { thread, worker } => {
                error!(target: TARGET, thread, worker = worker.as_deref(), "gave up booting");
            }
            N::Killed { thread } => warn!(target: TARGET, thread, "killed"),
            N::Sent { thread, nth, wake } => debug!(target: TARGET, thread, nth, ?wake, "sent"),
            N::Drained { thread } => debug!(target: TARGET, thread, "drained"),
            N::Busy { thread } => warn!(target: TARGET, thread, "left alone, busy"),
            N::Abandoned { thread, call } => warn!(target: TARGET, thread, ?call, "abandoned"),
            N::Replaced { abandoned, by } => info!(target: TARGET, abandoned, by, "replaced"),
            N::QuarantineFull { abandoned } => {
                warn!(target: TARGET, abandoned, "quarantine full, not replaced")
            }
            N::CameBack { thread } => info!(target: TARGET, thread, "came back"),
            N::Respawned { thread } => warn!(target: TARGET, thread, "respawned"),
            N::Rebooted { thread } => debug!(target: TARGET, thread, "rebooted"),
            N::SpawnFailed { thread, error } => warn!(target: TARGET, thread, %error, "spawn failed"),
            N::StartRefused { thread, error } => warn!(target: TARGET, thread, %error, "start refused"),
            N::EndedIllegally { thread, error } => error!(target: TARGET, thread, %error, "ended illegally"),
            N::ScalerNotStarted { error } => error!(target: TARGET, %error, "scaler not started"),
            N::ScaledUp { thread, worker } => {
                info!(target: TARGET, thread, worker = worker.as_deref(), "scaled up");
            }
            N::ScaledDown { thread } => info!(target: TARGET, thread, "scaled down"),
            N::Restarted { restarted, abandoned } => info!(target: TARGET, restarted, abandoned, "restarted"),
            // The caller is told too, and under load there are many.
            N::RequestRejected { reason } => debug!(target: TARGET, %reason, "request rejected"),
            N::HandedBack { thread } => debug!(target: TARGET, thread, "request handed back"),
            N::ShutDown => info!(target: TARGET, "shut down"),
            N::TornDown => info!(target: TARGET, "torn down"),
            N::TeardownSkipped { lingering } => error!(target: TARGET, lingering, "teardown skipped"),
            N::TeardownCompleted => info!(target: TARGET, "teardown completed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Write};
    use std::sync::{Arc, Mutex};

    use ::tracing::field::{Field, Visit};
    use ::tracing::span::{Attributes, Id, Record};
    use ::tracing::{Event, Metadata, Subscriber, subscriber};

    use super::super::Notices;
    use super::super::notice::examples;
    use super::*;

    /// Keeps one line an event: target, level, message, fields.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    impl Subscriber for Lines {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn event(&self, event: &Event<'_>) {
            let of = event.metadata();
            let mut line = Line(format!("{} {}", of.target(), of.level()));
            event.record(&mut line);
            self.0.lock().unwrap().push(line.0);
        }

        // There are no spans.
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    struct Line(String);

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            write!(self.0, " {}={value:?}", field.name()).unwrap();
        }
    }

    #[test]
    fn each_notice_is_one_event_with_its_level_and_fields() {
        let lines = Lines::default();
        let notices = Notices::new(TracingObserver);
        subscriber::with_default(lines.clone(), || {
            examples().into_iter().for_each(|notice| notices.tell(notice));
        });
        let expected = [
            "INFO message=started threads=4",
            "ERROR message=start failed ready=2 threads=4",
            "DEBUG message=booted thread=3 worker=\"shop\"",
            "WARN message=boot failed thread=3 worker=\"shop\" consecutive=2",
            "ERROR message=gave up booting thread=3 worker=\"shop\"",
            "WARN message=killed thread=3",
            "DEBUG message=sent thread=3 nth=1 wake=Made(Sent)",
            "DEBUG message=drained thread=3",
            "WARN message=left alone, busy thread=3",
            "WARN message=abandoned thread=3 call=Restart",
            "INFO message=replaced abandoned=3 by=5",
            "WARN message=quarantine full, not replaced abandoned=3",
            "INFO message=came back thread=3",
            "WARN message=respawned thread=3",
            "DEBUG message=rebooted thread=3",
            "WARN message=spawn failed thread=3 error=the system refused to start a thread (errno 11): \
             lower the number of threads, or raise the limit on them",
            "WARN message=start refused thread=3 error=the engine refused: no memory",
            "ERROR message=ended illegally thread=3 error=Exit is not declared for a thread that is Yielding: only for \
             one that is ShuttingDown, Abandoned, Booting, Ready, Restarting, TransitionRequested, TransitionComplete",
            "ERROR message=scaler not started error=the system refused to start a thread (errno 11): lower the number \
             of threads, or raise the limit on them",
            // A regular thread has no worker, and its event no such field.
            "INFO message=scaled up thread=3",
            "INFO message=scaled down thread=3",
            "INFO message=restarted restarted=3 abandoned=1",
            "DEBUG message=request rejected reason=the queue is full",
            "DEBUG message=request handed back thread=3",
            "INFO message=shut down",
            "INFO message=torn down",
            "ERROR message=teardown skipped lingering=1",
            "INFO message=teardown completed",
        ];
        let expected = expected.map(|line| format!("{TARGET} {line}"));
        assert_eq!(*lines.0.lock().unwrap(), expected);
        assert_eq!(notices.counts().observer_panics, 0);
    }
}
