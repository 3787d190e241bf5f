//! Who may ask: TLS, client certificates, basic authentication, and the headers that tell browsers to be careful.
//!
//! It knows what a connection has to show, not how the file that says so is written; whoever makes an [`Access`] gives it a way to
//! read that file. Files are read again when they have changed; a change that cannot be used leaves what was in force.
//!
//! `/-/healthy` and `/-/ready` want no password, as kubelet has none. Where TLS wants a client certificate, they too are out of
//! reach without one.
//!
//! Source of the rules: the web configuration of Prometheus' exporter-toolkit.

mod guard;
mod listener;
mod reload;
mod rules;
mod tls;

pub use guard::guard;
pub use listener::Listener;
pub use reload::{Access, Unusable};
pub use rules::{Headers, Rules, Users};
pub use tls::{CIPHER_SUITES, CURVES, ClientAuth, Fault, Pem, Tls, TlsSettings, Version};
