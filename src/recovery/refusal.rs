//! A broker that does not start (R3), and the exit codes that its container shows then.

use std::path::PathBuf;

/// Exit code of a container whose broker could not load its store (`System.exit(-3)`).
pub const EXIT_LOAD_FAILED: i32 = 253;
/// Exit code where the DLedger library ends the process, or an error that nobody catches does (`System.exit(-1)`).
pub const EXIT_LEDGER: i32 = 255;
/// Exit code where an exception leaves the broker's own initialization (`BrokerStartup.createBrokerController`: `System.exit(-1)`).
pub const EXIT_UNCAUGHT: i32 = 255;

/// Why the broker does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Exit code that a container shows.
    pub exit_code: i32,
    /// Finding that tells why.
    pub reason: &'static str,
    /// The file, where there is one.
    pub path: Option<PathBuf>,
}
