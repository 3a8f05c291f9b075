//! The real platform: the standard library's locks, the system's clock, and the wake-up of the system at hand.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::monitor::Watched;
#[cfg(unix)]
use super::unix::{KillSignal, UnixTarget, signal_handler};
#[cfg(windows)]
use super::windows::WindowsTarget;
use super::{MonitorValue, Obstacle, Platform, SpawnError, StdCondition, StdLock, StdMonitor, Wake};

/// How the real platform wakes threads.
///
/// The default is the pull request's: `SIGRTMIN+3` on Linux and FreeBSD, a cancel and an APC on Windows, flags only on macOS
/// and elsewhere. What each can interrupt: docs/PLATFORMS.md.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NativeConfig {
    /// The system's own way: `KillSignal::default()` on Linux and FreeBSD, `CancelSynchronousIo` and `QueueUserAPC` on
    /// Windows, flags only elsewhere.
    #[default]
    SystemDefault,
    /// This signal, on any Unix. The only way to have wake-ups on macOS; `KillSignal` says what each signal costs.
    #[cfg(unix)]
    Signal(KillSignal),
    /// Never a wake-up: a kill stores the flags and waits for the thread to look at them.
    FlagsOnly,
}

/// The real operating system.
///
/// Making one installs the signal handler if this process has not installed it yet (upstream:
/// `frankenphp_install_kill_handler`, once through `pthread_once`). If that fails, the platform still works, with
/// flags alone, and [`Native::obstacle_to_wakes`] says so.
#[derive(Clone, Copy, Debug)]
pub struct Native {
    origin: Instant,
    method: Method,
}

#[derive(Clone, Copy, Debug)]
enum Method {
    #[cfg(unix)]
    Signal(KillSignal),
    #[cfg(windows)]
    CancelAndApc,
    None(Obstacle),
}

/// What [`Native`] captures of a thread.
#[derive(Debug)]
pub struct NativeTarget(#[cfg(unix)] UnixTarget, #[cfg(windows)] WindowsTarget);

impl Native {
    /// The platform that `config` describes. May be called from any thread, any number of times.
    pub fn new(config: NativeConfig) -> Self {
        Self { origin: Instant::now(), method: Method::of(config) }
    }

    /// Why kills on this platform are flags only, if they are.
    pub fn obstacle_to_wakes(&self) -> Option<Obstacle> {
        match self.method {
            #[cfg(unix)]
            Method::Signal(_) => None,
            #[cfg(windows)]
            Method::CancelAndApc => None,
            Method::None(obstacle) => Some(obstacle),
        }
    }

    /// Installs the handler again after a script replaced it (a kill's verdict said
    /// [`Obstacle::HandlerReplaced`]). Not done by the kill itself: whoever replaced the handler may replace it
    /// again between that and the send, and the process would end. Call it once the script is gone. On Windows there is no
    /// handler that a script could replace, and nothing to do.
    ///
    /// # Errors
    /// The obstacle that remains: the system refused, or this platform has no signal.
    pub fn restore_handler(&self) -> Result<(), Obstacle> {
        match self.method {
            #[cfg(unix)]
            Method::Signal(signal) => {
                signal_handler::install(signal).map_err(|errno| Obstacle::HandlerNotInstalled { errno })
            }
            #[cfg(windows)]
            Method::CancelAndApc => Ok(()),
            Method::None(obstacle) => Err(obstacle),
        }
    }
}

impl Default for Native {
    fn default() -> Self {
        Self::new(NativeConfig::default())
    }
}

impl Method {
    #[cfg(unix)]
    fn of(config: NativeConfig) -> Self {
        let signal = match config {
            NativeConfig::Signal(signal) => signal,
            NativeConfig::SystemDefault if cfg!(any(target_os = "linux", target_os = "freebsd")) => {
                KillSignal::default()
            }
            NativeConfig::SystemDefault | NativeConfig::FlagsOnly => {
                return Self::None(Obstacle::FlagsOnly);
            }
        };
        match signal_handler::install_once(signal) {
            Ok(()) => Self::Signal(signal),
            Err(errno) => Self::None(Obstacle::HandlerNotInstalled { errno }),
        }
    }

    #[cfg(windows)]
    fn of(config: NativeConfig) -> Self {
        match config {
            NativeConfig::SystemDefault => Self::CancelAndApc,
            NativeConfig::FlagsOnly => Self::None(Obstacle::FlagsOnly),
        }
    }

    #[cfg(not(any(unix, windows)))]
    fn of(_config: NativeConfig) -> Self {
        Self::None(Obstacle::FlagsOnly)
    }
}

impl Platform for Native {
    type Flag = AtomicBool;
    type Lock<T: Send + Sync + 'static> = StdLock<T>;
    type Monitor<T: MonitorValue> = StdMonitor<T>;
    type WakeTarget = NativeTarget;

    fn flag(&self, value: bool) -> AtomicBool {
        AtomicBool::new(value)
    }

    fn lock<T: Send + Sync + 'static>(&self, value: T) -> StdLock<T> {
        StdLock::new(value)
    }

    fn monitor<T: MonitorValue>(&self, value: T) -> StdMonitor<T> {
        StdMonitor::new(StdCondition::new(Watched::new(value), self.origin))
    }

    fn spawn(&self, body: impl FnOnce() + Send + 'static) -> Result<(), SpawnError> {
        let spawned = std::thread::Builder::new().name("forcekill".into()).spawn(body);
        spawned.map(drop).map_err(|error| SpawnError { errno: error.raw_os_error() })
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn capture(&self) -> Result<NativeTarget, Obstacle> {
        match self.method {
            #[cfg(unix)]
            Method::Signal(signal) => UnixTarget::capture(signal).map(NativeTarget),
            #[cfg(windows)]
            Method::CancelAndApc => WindowsTarget::capture().map(NativeTarget),
            Method::None(obstacle) => Err(obstacle),
        }
    }

    #[inline]
    fn wake(&self, target: &NativeTarget) -> Wake {
        match self.method {
            #[cfg(unix)]
            Method::Signal(signal) => target.0.wake(signal),
            #[cfg(windows)]
            Method::CancelAndApc => target.0.wake(),
            Method::None(obstacle) => {
                let _ = target;
                Wake::Impossible(obstacle)
            }
        }
    }

    fn obstacle(&self, target: &NativeTarget) -> Option<Obstacle> {
        match self.method {
            #[cfg(unix)]
            Method::Signal(signal) => target.0.obstacle(signal),
            #[cfg(windows)]
            Method::CancelAndApc => target.0.obstacle(),
            Method::None(obstacle) => {
                let _ = target;
                Some(obstacle)
            }
        }
    }

    fn release(&self, target: NativeTarget) {
        // A thread id owns nothing. A duplicated handle is closed here, and nowhere else: the target owns it and is not Clone.
        let NativeTarget { .. } = target;
    }

    fn absorb(&self) {
        match self.method {
            #[cfg(unix)]
            Method::Signal(signal) => UnixTarget::absorb(signal),
            #[cfg(windows)]
            Method::CancelAndApc => WindowsTarget::absorb(),
            Method::None(_) => {}
        }
    }
}
