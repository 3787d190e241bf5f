//! Builds the parts from the configuration, starts and stops them in order.

use crate::config::{Config, ListenAddress};

/// Why a command ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command has no parts to start.
    #[error("{command} is not built yet")]
    NotBuilt {
        /// Name of the command.
        command: &'static str,
    },
}

/// Watches the store until SIGTERM or SIGINT.
///
/// # Errors
///
/// When it cannot start, or cannot go on.
pub fn serve(config: &Config) -> Result<(), Error> {
    tracing::debug!(?config, "configuration");
    Err(Error::NotBuilt { command: "serve" })
}

/// Replays the captured incident and serves it on `listen_addresses` until SIGTERM or SIGINT.
///
/// # Errors
///
/// When it cannot start, or cannot go on.
pub fn demo(listen_addresses: &[ListenAddress]) -> Result<(), Error> {
    tracing::debug!(?listen_addresses, "demo");
    Err(Error::NotBuilt { command: "demo" })
}
